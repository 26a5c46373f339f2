import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'

const ROOT = dirname(import.meta.dir)

/** Packages, and files of ours, that only a configured store or role may bring in. */
const ONLY_WHEN_CHOSEN = [
  /^kafkajs$/,
  /^@aws-sdk\//,
  /^@clickhouse\/client$/,
  /^actors\/kafka\//,
  // Any core takes what edge gateways forward; an edge gateway's own side is another matter.
  /^gateway\/relay\/(?!(core-\w+|positions|protocol|frame|edges)\.ts$)/,
  /^sinks\/clickhouse\/server-/,
  /^sinks\/iceberg\/(s3-(?!access)|rest-)/,
  /^sinks\/live\//,
  /^sinks\/snapshots\//,
  /^deploy\/(scaled|edge|kafka-|clickhouse-server)/,
]

type Graph = Readonly<{ files: ReadonlySet<string>; packages: ReadonlySet<string> }>

/** Whatever is loaded with a file: its imports, and theirs, without those that are asked for later. */
function loadedWith(entries: readonly string[]): Graph {
  const [ts, tsx] = [new Bun.Transpiler({ loader: 'ts' }), new Bun.Transpiler({ loader: 'tsx' })]
  const files = new Set<string>()
  const packages = new Set<string>()
  const open = [...entries]
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (files.has(path)) continue
    files.add(path)
    if (!/\.tsx?$/.test(path)) continue
    // Imports of types alone are gone by then.
    const transpiler = path.endsWith('x') ? tsx : ts
    for (const found of transpiler.scan(readFileSync(join(ROOT, path), 'utf8')).imports) {
      if (found.kind !== 'import-statement') continue
      if (found.path.startsWith('.')) open.push(join(dirname(path), found.path))
      else packages.add(found.path)
    }
  }
  return { files, packages }
}

const offenders = ({ files, packages }: Graph): readonly string[] =>
  [...files, ...packages].filter((name) => ONLY_WHEN_CHOSEN.some((one) => one.test(name)))

/** What `deploy/start.ts` asks for later, and then has, when nothing is configured. */
const EMBEDDED = ['deploy/start.ts', 'deploy/wiring.ts']

test('with nothing configured nothing of the scaled-out profile is imported', () => {
  const graph = loadedWith(EMBEDDED)
  expect(offenders(graph)).toEqual([])
  // Still the whole program: the walk has not ended early.
  expect(graph.files.size).toBeGreaterThan(150)
  expect([...graph.files]).toContain('sinks/clickhouse/chdb-engine.ts')
  expect([...graph.packages]).toContain('hono')
})

test('the walk finds what it looks for where it is', () => {
  const found = (entry: string): readonly string[] => offenders(loadedWith([entry]))
  expect(found('sinks/iceberg/s3-sink.ts')).toContain('@aws-sdk/client-s3')
  expect(found('sinks/clickhouse/server-open.ts')).toContain('sinks/clickhouse/server-link.ts')
  expect(found('deploy/scaled.ts')).not.toEqual([])
})

test('a process that was started with nothing configured has none of it loaded', async () => {
  // The real loader, after everything was loaded that a start loads.
  const program = `
    await import('${ROOT}/deploy/wiring.ts')
    await import('${ROOT}/deploy/main.ts')
    console.log(JSON.stringify(Object.keys(require.cache)))
  `
  const child = Bun.spawn([process.execPath, '-e', program], {
    cwd: ROOT,
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const [out, err] = [
    await new Response(child.stdout).text(),
    await new Response(child.stderr).text(),
  ]
  expect({ code: await child.exited, err }).toEqual({ code: 0, err: '' })
  const loaded: readonly string[] = JSON.parse(out)
  const files = loaded.filter((name) => name.startsWith('/')).map((name) => relative(ROOT, name))
  expect(files).toContain('deploy/wiring.ts')
  const stores = /node_modules\/(kafkajs|@aws-sdk|@clickhouse)\//
  expect(files.filter((name) => stores.test(name))).toEqual([])
  expect(offenders({ files: new Set(files), packages: new Set() })).toEqual([])
})
