import { describe, expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'

import manifest from '../package.json' with { type: 'json' }
import { configMarkdown } from './config-table.ts'

const ROOT = dirname(import.meta.dir)

/** Which folders a folder may import from; the folder itself always. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  actors: [],
  sinks: ['actors'],
  gateway: ['actors'],
  ui: ['actors/model'],
  simulator: ['actors', 'sinks', 'gateway'],
  bench: ['actors', 'sinks', 'gateway', 'simulator'],
  deploy: ['actors', 'sinks', 'gateway', 'ui', 'simulator'],
}

/** Within actors: what each part stands on. */
const ACTORS_STAND_ON: Readonly<Record<string, readonly string[]>> = {
  model: [],
  kernel: ['model'],
  session: ['kernel', 'model'],
  region: ['kernel', 'model'],
  feed: ['kernel', 'model'],
  kafka: ['kernel', 'model'],
}

const LINES_MAX = 300
/** Long because they are tables of data, not code. */
const DATA_FILES: ReadonlySet<string> = new Set(['actors/model/city-shapes.ts'])

type Source = Readonly<{
  path: string
  text: string
  code: string
  imports: readonly string[]
  /** Those that are there when it runs. */
  loads: readonly string[]
}>

const sources: readonly Source[] = Object.keys(MAY_IMPORT)
  .flatMap((folder) => [...new Bun.Glob(`${folder}/**/*.{ts,tsx}`).scanSync(ROOT)])
  .sort()
  .map((path) => {
    const text = readFileSync(join(ROOT, path), 'utf8')
    const types = /^(import|export)\s+type\s[^'"`;]*?\sfrom\s+['"][^'"\n]+['"]/gm
    const imports = importsOf(text)
    return {
      path,
      text,
      code: withoutProse(text),
      imports,
      loads: importsOf(text.replace(types, '')),
    }
  })

const shipped = sources.filter(({ path }) => !/\.test\.tsx?$/.test(path))

/** The text without comments and the insides of strings, so that words in them are not taken for code. */
function withoutProse(text: string): string {
  const prose =
    /\/\*[\s\S]*?\*\/|(?<![:\\])\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/g
  return text.replace(prose, (match) => (match.startsWith('/') ? '' : "''"))
}

function importsOf(text: string): string[] {
  const statement = /^(?:import|export)\s(?:[^'"`;]*?\sfrom\s+)?['"]([^'"\n]+)['"]/gm
  const call = /\bimport\(\s*['"]([^'"\n]+)['"]/g
  return [statement, call].flatMap((pattern) =>
    [...text.matchAll(pattern)]
      .map((found) => found[1] ?? '')
      // Text of a program for a child process.
      .filter((name) => !name.includes('${')),
  )
}

/** Imports of a file that lead to files of ours, as paths from the root. */
function ours({ path, imports }: Pick<Source, 'path' | 'imports'>): string[] {
  return imports
    .filter((name) => name.startsWith('.'))
    .map((name) => normalize(join(dirname(path), name)))
}

function offenders(pattern: RegExp, among = sources): string[] {
  return among.filter(({ code }) => pattern.test(code)).map(({ path }) => path)
}

describe('imports', () => {
  test('there is something to look at', () => {
    expect(sources.length).toBeGreaterThan(50)
    expect(sources.flatMap(ours).length).toBeGreaterThan(100)
  })

  test('a folder imports only what stands below it', () => {
    const wrong = sources.flatMap((source) => {
      const [folder = ''] = source.path.split('/')
      const allowed = [folder, ...(MAY_IMPORT[folder] ?? [])]
      return ours(source)
        .filter((target) => !allowed.some((prefix) => target.startsWith(`${prefix}/`)))
        .filter((target) => !(folder === 'deploy' && target === 'package.json'))
        .map((target) => `${source.path} -> ${target}`)
    })
    expect(wrong).toEqual([])
  })

  test('within actors: model, then kernel, then the kinds of actor', () => {
    const wrong = shipped.flatMap((source) => {
      const [folder, part = ''] = source.path.split('/')
      const below = ACTORS_STAND_ON[part]
      if (folder !== 'actors' || below === undefined) return []
      return ours(source)
        .filter((target) => ![part, ...below].includes(target.split('/')[1] ?? ''))
        .map((target) => `${source.path} -> ${target}`)
    })
    expect(wrong).toEqual([])
  })

  test('an import names a file that exists, with its ending', () => {
    const wrong = sources.flatMap((source) =>
      ours(source)
        .filter((target) => !/\.\w+$/.test(target) || !existsSync(join(ROOT, target)))
        .map((target) => `${source.path} -> ${target}`),
    )
    expect(wrong).toEqual([])
  })

  test('no file loads itself by a detour', () => {
    const edges = new Map(shipped.map(({ path, loads }) => [path, ours({ path, imports: loads })]))
    const done = new Set<string>()
    const cycles: string[] = []
    const visit = (path: string, trail: readonly string[]): void => {
      const seenAt = trail.indexOf(path)
      if (seenAt >= 0) cycles.push([...trail.slice(seenAt), path].join(' -> '))
      if (seenAt >= 0 || done.has(path)) return
      for (const next of edges.get(path) ?? []) visit(next, [...trail, path])
      done.add(path)
    }
    for (const path of edges.keys()) visit(path, [])
    expect(cycles).toEqual([])
  })

  test('packages that are imported are in package.json', () => {
    const known = new Set([
      ...Object.keys(manifest.dependencies),
      ...Object.keys(manifest.devDependencies),
    ])
    const wrong = sources.flatMap(({ path, imports }) =>
      imports
        .filter((name) => !/^(\.|node:|bun$|bun:)/.test(name))
        .map((name) =>
          name
            .split('/')
            .slice(0, name.startsWith('@') ? 2 : 1)
            .join('/'),
        )
        .filter((name) => !known.has(name))
        .map((name) => `${path} -> ${name}`),
    )
    expect(wrong).toEqual([])
  })
})

describe('code', () => {
  test('a source file fits in the head', () => {
    const long = shipped
      .filter(({ path }) => !DATA_FILES.has(path))
      .map(({ path, text }) => ({ path, lines: text.split('\n').length - 1 }))
      .filter(({ lines }) => lines > LINES_MAX)
    expect(long).toEqual([])
  })

  test('no any, no enum, no default export', () => {
    expect(offenders(/(:\s*|\bas\s+|<|\|\s*)any\b/)).toEqual([])
    expect(offenders(/^\s*(export\s+)?(declare\s+)?(const\s+)?enum\s/m)).toEqual([])
    expect(offenders(/^export\s+default\b/m)).toEqual([])
  })

  test('no name that says nothing', () => {
    const banned = 'Manager|Helpers?|Utils?|Base|Impl'
    const declared = `\\b(class|interface|type|function|const|let)\\s+\\w*(${banned})\\b`
    expect(offenders(new RegExp(declared))).toEqual([])
    const files = sources.map(({ path }) => path.split('/').at(-1) ?? '')
    expect(files.filter((name) => /(^|-)(manager|helpers?|utils?|base|impl)\./.test(name))).toEqual(
      [],
    )
  })

  test('files are named in kebab-case', () => {
    const pattern = /^[a-z0-9]+(-[a-z0-9]+)*(\.(test|bench|sim|d))*\.tsx?$/
    const names = sources.map(({ path }) => path.split('/').at(-1) ?? '')
    expect(names.filter((name) => !pattern.test(name))).toEqual([])
  })

  test('nothing is left for later without saying where', () => {
    const pattern = /\b(TODO|FIXME|XXX|HACK)\b|\b(test|describe|it)\.(only|todo)\(/
    const wrong = sources.filter(({ path, text }) => path !== OWN && pattern.test(text))
    expect(wrong.map(({ path }) => path)).toEqual([])
  })

  test('the environment is read in deploy and by the programs with flags of their own', () => {
    const programs = /^(deploy|bench)\/|^simulator\/(crashtest\/)?main\.ts$|\.test\.tsx?$/
    const wrong = offenders(/\b(process|Bun)\.env\b/).filter((path) => !programs.test(path))
    expect(wrong).toEqual([])
  })
})

const OWN = 'deploy/tidy.test.ts'

describe('repository', () => {
  const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')

  test('every dependency has an exact version', () => {
    const all = { ...manifest.dependencies, ...manifest.devDependencies }
    const loose = Object.entries(all).filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))
    expect(loose).toEqual([])
  })

  test('the README shows the commands for both kinds of machine', () => {
    const readme = read('README.md')
    const bun = `npx -y bun@${manifest.engines.bun}`
    for (const command of [
      `${bun} run start --demo`,
      `${bun} run test`,
      'bun run start --demo',
      'bun run test',
    ]) {
      expect(readme).toContain(`\n${command}`)
    }
  })

  test('the README shows the configuration as the schema has it', () => {
    // The formatter pads the cells.
    const cells = (table: string): string[][] =>
      table
        .split('\n')
        .filter((line) => !/^[\s|:-]*$/.test(line))
        .map((line) => line.split('|').map((cell) => cell.trim()))
    const shown = /<!-- config -->([\s\S]*)<!-- \/config -->/.exec(read('README.md'))?.[1] ?? ''
    expect(cells(shown)).toEqual(cells(configMarkdown()))
  })

  test('one version of Bun is named everywhere', () => {
    const { bun } = manifest.engines
    const named = ['README.md', '.ci/run', 'deploy/Dockerfile', 'deploy/boot.ts']
      .flatMap((path) => [...read(path).matchAll(/bun[@:](\d+\.\d+\.\d+)/g)])
      .map((found) => found[1])
    expect(named.length).toBeGreaterThan(3)
    expect(new Set(named)).toEqual(new Set([bun]))
  })

  test('the changelog knows the version of package.json or what is to come', () => {
    expect(read('CHANGELOG.md')).toMatch(
      new RegExp(`^## \\[(Unreleased|${manifest.version.replaceAll('.', '\\.')})\\]`, 'm'),
    )
  })

  test('nothing names a path of the machine it was written on', () => {
    const endings = '*.{md,json,toml,yml,yaml,service}'
    const text = ['', '.github/**/', ...Object.keys(MAY_IMPORT).map((folder) => `${folder}/**/`)]
      .map((place) => new Bun.Glob(`${place}${endings}`))
      .flatMap((glob) => [...glob.scanSync({ cwd: ROOT, dot: true })])
    expect(text).toContain('CHANGELOG.md')
    expect(text).toContain('.github/workflows/ci.yml')
    expect(text).toContain('deploy/orrery.service')
    const pattern = /(^|[\s'"`(=])\/(work|farm|root|home\/\w+|Users\/\w+|tmp\/\w+)\//m
    const wrong = [...text, '.ci/run', ...sources.map(({ path }) => path)]
      .filter((path) => path !== OWN)
      .filter((path) => pattern.test(read(path)))
    expect(wrong).toEqual([])
  })

  test('every script of package.json installs what is missing first', () => {
    for (const command of Object.values(manifest.scripts)) {
      expect(command).toMatch(/^(UV_THREADPOOL_SIZE=\d+ )?bun deploy\/boot\.ts \S+$/)
    }
  })
})
