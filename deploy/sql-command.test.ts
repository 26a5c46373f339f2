import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

let root = ''
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'orrery-sql-'))
})
afterEach(() => rmSync(root, { recursive: true }))

/** Runs the command in a process of its own; its stores answer with what they were asked. */
async function sql(args: readonly string[], stdin = '', dataDir = join(root, 'data')) {
  const script = `
    import { sqlMain } from ${JSON.stringify(join(import.meta.dir, 'sql-command.ts'))}
    const openLocal = async () => ({
      run: async (sql, format) => {
        if (sql.includes('nonsense')) throw new Error('Unknown table\\n  nonsense')
        return new TextEncoder().encode(format + '|' + sql + '\\n')
      },
      close: async () => {},
    })
    process.exit(await sqlMain(${JSON.stringify(args)}, openLocal))`
  const child = Bun.spawn([process.execPath, '-e', script], {
    env: { PATH: process.env['PATH'] ?? '', DATA_DIR: dataDir },
    stdin: new TextEncoder().encode(stdin),
    stderr: 'pipe',
    stdout: 'pipe',
  })
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ])
  return { out, err, code }
}

test('before the first start there is one line and exit 1', async () => {
  const { out, err, code } = await sql(['SELECT 1'])
  expect({ out, code }).toEqual({ out: '', code: 1 })
  expect(err).toBe(`orrery: no data in ${join(root, 'data')} yet; run "bun run start" first\n`)
})

test('without a server the stores themselves are asked, in TSV when nobody looks', async () => {
  mkdirSync(join(root, 'data'))
  expect(await sql(['SELECT 1;\n'])).toEqual({ out: 'TSV|SELECT 1\n', err: '', code: 0 })
  expect((await sql(['SELECT 1', '--format', 'CSV'])).out).toBe('CSV|SELECT 1\n')
})

test('a statement may come from a file or from stdin', async () => {
  mkdirSync(join(root, 'data'))
  writeFileSync(join(root, 'q.sql'), 'SELECT 2\n;\n')
  expect((await sql(['--file', join(root, 'q.sql')])).out).toBe('TSV|SELECT 2\n')
  expect((await sql(['-'], 'SELECT 3')).out).toBe('TSV|SELECT 3\n')
  expect((await sql([], 'SELECT 4')).out).toBe('TSV|SELECT 4\n')
})

test('an error is one line on stderr and exit 1', async () => {
  mkdirSync(join(root, 'data'))
  const { out, err, code } = await sql(['SELECT * FROM nonsense'])
  expect({ out, err, code }).toEqual({ out: '', err: 'orrery: Unknown table nonsense\n', code: 1 })
})

test('its help names the tables of pings and of trips', async () => {
  const { out, code } = await sql(['--help'])
  expect(code).toBe(0)
  for (const table of ['session_movements', ' trips', 'region_windows', 'bronze.trips'])
    expect(out).toContain(table)
})

test('wrong usage is one line and exit 2', async () => {
  for (const args of [['--what'], ['SELECT', '1'], ['SELECT 1', '--file', 'x'], ['']]) {
    const { err, code } = await sql(args)
    expect([code, err.split('\n').length, args]).toEqual([2, 2, args])
  }
})

test('a running server is asked through its socket, however long the path of its folder', async () => {
  const dataDir = join(root, 'a'.repeat(60), 'b'.repeat(60))
  mkdirSync(dataDir, { recursive: true })
  const server = `process.chdir(${JSON.stringify(dataDir)})
    Bun.serve({ unix: 'control.sock', fetch: async (request) => {
      const { sql, format } = await request.json()
      return sql.includes('nonsense')
        ? Response.json({ error: { code: 'sql', message: 'no such table' } }, { status: 400 })
        : new Response('server|' + format + '|' + sql + '\\n')
    } })
    console.log('ready')`
  const child = Bun.spawn([process.execPath, '-e', server], { stdout: 'pipe' })
  try {
    await child.stdout.getReader().read()
    expect((await sql(['SELECT 1'], '', dataDir)).out).toBe('server|TSV|SELECT 1\n')
    const failed = await sql(['SELECT nonsense'], '', dataDir)
    expect(failed).toEqual({ out: '', err: 'orrery: no such table\n', code: 1 })
  } finally {
    child.kill('SIGKILL')
    await child.exited
  }
  // What a killed server leaves behind is no server.
  expect((await sql(['SELECT 5'], '', dataDir)).err).toContain('holds other files')
})
