import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { settingNames } from './config.ts'

let root = ''
let dataDir = ''
const started: Bun.Subprocess[] = []

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'orrery-start-'))
  dataDir = join(root, 'data')
})
afterEach(async () => {
  for (const child of started.splice(0)) {
    child.kill('SIGKILL')
    await child.exited
  }
  rmSync(root, { recursive: true, force: true })
})

type Settings = Readonly<Record<string, string>>

/** A program of ours in a process of its own, with nothing in its environment but these settings. */
function spawn(program: string, args: readonly string[], settings: Settings = {}) {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, program), ...args], {
    env: {
      PATH: process.env['PATH'] ?? '',
      UV_THREADPOOL_SIZE: '16',
      HOST: '127.0.0.1',
      PORT: '0',
      DATA_DIR: dataDir,
      ...settings,
    },
    cwd: root,
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
  })
  started.push(child)
  return child
}

/** Runs to its end. */
async function run(program: string, args: readonly string[], settings: Settings = {}) {
  const child = spawn(program, args, settings)
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ])
  return { out, err, code }
}

/** A running server: what it printed, and its end with what it logged. */
async function start(args: readonly string[] = [], settings: Settings = {}) {
  const child = spawn('start.ts', args, settings)
  const errors = new Response(child.stderr).text()
  let summary = ''
  const decoder = new TextDecoder()
  for await (const piece of child.stdout) {
    summary += decoder.decode(piece, { stream: true })
    if (summary.includes('Ctrl-C')) break
  }
  if (!summary.includes('Ctrl-C')) throw new Error(`did not start: ${await errors}`)
  const url = /http:\/\/\S+/.exec(summary)?.[0] ?? ''
  const stop = async (signal: NodeJS.Signals) => {
    const beganMs = performance.now()
    child.kill(signal)
    const code = await child.exited
    const lines = (await errors).trim().split('\n')
    return {
      code,
      tookMs: performance.now() - beganMs,
      log: lines.map((line): { message: string } => JSON.parse(line)),
    }
  }
  return { child, summary, url, stop }
}

describe('what stands on the command line', () => {
  test('--help names every flag and touches nothing', async () => {
    const { out, err, code } = await run('start.ts', ['--help'])
    expect({ err, code }).toEqual({ err: '', code: 0 })
    for (const flag of [
      '--demo',
      '--demo-trips',
      '--port',
      '--data-dir',
      '--config',
      '--new-key',
    ]) {
      expect(out).toContain(flag)
    }
    expect(readdirSync(root)).toEqual([])
  })

  test('--config lists every setting with its origin, secrets masked', async () => {
    const settings = { API_KEY: 'a-very-secret-key', LOG_LEVEL: 'warn' }
    const { out, code } = await run('start.ts', ['--config', '--port', '8123'], settings)
    expect(code).toBe(0)
    expect(out).toMatch(/^PORT +8123 .*flag$/m)
    expect(out).toMatch(/^LOG_LEVEL +warn .*environment$/m)
    expect(out).toMatch(/^VIEWERS +local .*default$/m)
    expect(out).toMatch(/^silver +embedded ClickHouse +CLICKHOUSE_HOST is empty$/m)
    expect(out).not.toContain('very-secret')
    const json = await run('start.ts', ['--config', '--json'], settings)
    const told: { settings: { name: string }[]; roles: string[]; adapters: { port: string }[] } =
      JSON.parse(json.out)
    expect(told.settings.map(({ name }) => name)).toEqual(settingNames)
    expect(told.roles).toEqual(['gateway', 'worker', 'web'])
    expect(told.adapters.map(({ port }) => port)).toContain('journal')
    expect(json.out).not.toContain('a-very-secret-key')
  })

  test.each([
    [['--wat'], {}, "orrery: Unknown option '--wat'; --help lists the flags\n"],
    [['--port', 'x'], {}, "orrery: PORT: expected a whole number 0–65535, received 'x'\n"],
    [
      [],
      { UPSTREAM_URL: 'wss://x' },
      'orrery: UPSTREAM_URL makes an edge gateway: write ROLES=gateway with it\n',
    ],
  ])('%o with %o is one line and exit 2', async (args, settings, line) => {
    expect(await run('start.ts', args, settings)).toEqual({ out: '', err: line, code: 2 })
    expect(readdirSync(root)).toEqual([])
  })
})

describe('what stops a start with one line and exit 1', () => {
  test('a port that is taken', async () => {
    const other = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } })
    try {
      const PORT = String(other.port)
      const { out, err, code } = await run('start.ts', [], { PORT })
      expect({ out, code }).toEqual({ out: '', code: 1 })
      expect(err).toBe(
        `orrery: PORT ${PORT} is taken; stop what listens there, or set another PORT\n`,
      )
    } finally {
      other.stop(true)
    }
  })

  test('data of a newer version', async () => {
    const newer = mkdtempSync(join(root, 'newer-'))
    writeFileSync(join(newer, 'format.json'), '{"format": 2}')
    const { err, code } = await run('start.ts', ['--data-dir', newer])
    expect(code).toBe(1)
    expect(err).toMatch(/^orrery: .* holds data of a newer version \(format 2, .*\n$/)
  })

  test('a folder that cannot be written', async () => {
    // Also for root, who may write into every folder but not into a file.
    const { err, code } = await run('start.ts', [], { DATA_DIR: '/dev/null/data' })
    expect(code).toBe(1)
    expect(err).toMatch(/^orrery: DATA_DIR \/dev\/null\/data .*\n$/)
  })
})

describe('a running server', () => {
  test('shows its keys once, keeps its folder to itself, and stops in order', async () => {
    const first = await start()
    expect(first.summary).toMatch(/orrery_[\w-]{43} +shown once/)
    expect(first.summary).toMatch(/Password +[a-z2-9-]{23} +shown once/)
    expect(first.summary).toContain(dataDir)
    expect(first.summary).not.toContain('\x1b')
    expect((await fetch(`${first.url}/ready`)).status).toBe(200)
    expect(statSync(join(dataDir, 'control.sock')).mode & 0o077).toBe(0)

    const second = await run('start.ts', [])
    expect(second).toEqual({
      out: '',
      err: `orrery: DATA_DIR ${dataDir} is in use by process ${first.child.pid}; stop it or name another\n`,
      code: 1,
    })

    const key = /orrery_[\w-]{43}/.exec(first.summary)?.[0] ?? ''
    const response = await fetch(`${first.url}/ingest`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify([ping('s1'), ping('s2')]),
    })
    expect(response.status).toBe(200)

    const end = await first.stop('SIGTERM')
    expect(end.code).toBe(0)
    expect(end.tookMs).toBeLessThan(10_000)
    expect(end.log.map(({ message }) => message)).toContain('stopped')
    expect(readdirSync(dataDir)).not.toContain('owner.json')

    // Nothing was left behind: what was acknowledged is in the tables of a process that only asks.
    const asked = await run('sql.ts', ['SELECT count() FROM sessions_base'])
    expect(asked).toEqual({ out: '2\n', err: '', code: 0 })

    const again = await start(['--demo'])
    expect(again.summary).not.toContain('shown once')
    expect(again.summary).not.toContain(key)
    const live = await run('sql.ts', [
      "SELECT count() FROM bronze.raw_delivery_data WHERE session_id IN ('s1', 's2')",
    ])
    expect(live).toEqual({ out: '2\n', err: '', code: 0 })
    const wrong = await run('sql.ts', ['SELECT * FROM no_such_table'])
    expect([wrong.out, wrong.code, wrong.err.split('\n').length]).toEqual(['', 1, 2])
    const stopped = await again.stop('SIGINT')
    expect(stopped.code).toBe(0)
    expect(stopped.log.map(({ message }) => message)).not.toContain('replaying the journal')
    const readable = readdirSync(dataDir).filter(
      (name) => (statSync(join(dataDir, name)).mode & 0o077) !== 0,
    )
    expect(readable).toEqual([])
  }, 60_000)

  test('is replaced at once after kill -9, with everything that it acknowledged', async () => {
    const first = await start([], { API_KEY: 'a-key-of-my-own' })
    expect(first.summary).not.toContain('orrery_')
    const response = await fetch(`${first.url}/ingest`, {
      method: 'POST',
      headers: { authorization: 'Bearer a-key-of-my-own', 'content-type': 'application/json' },
      body: JSON.stringify([ping('s9')]),
    })
    expect(response.status).toBe(200)
    first.child.kill('SIGKILL')
    await first.child.exited
    const second = await start([], { API_KEY: 'a-key-of-my-own' })
    const end = await second.stop('SIGTERM')
    expect(end.code).toBe(0)
    // So that its absence means something elsewhere.
    expect(end.log.map(({ message }) => message)).toContain('replaying the journal')
    const asked = await run('sql.ts', ['SELECT session_id FROM sessions_base'])
    expect(asked).toEqual({ out: 's9\n', err: '', code: 0 })
    expect(readFileSync(join(dataDir, 'secrets.json'), 'utf8')).not.toContain('a-key-of-my-own')
  }, 60_000)
})

function ping(sessionId: string): Readonly<Record<string, string | number>> {
  return {
    device_id: 'd1',
    vehicle_id: 'v1',
    session_id: sessionId,
    order_id: 'o1',
    status: 'started',
    timestamp: new Date().toISOString(),
    start_lat: 37.98,
    start_lon: 23.72,
    end_lat: 37.94,
    end_lon: 23.64,
    current_lat: 37.97,
    current_lon: 23.71,
  }
}
