import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { type Double, startDouble } from './testing.ts'

let dir = ''
let double: Double | null = null

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'simulate-'))
})

afterEach(async () => {
  await double?.stop()
  double = null
  await rm(dir, { recursive: true })
})

function simulate(args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  return Bun.spawn([process.execPath, join(import.meta.dir, 'main.ts'), ...args], {
    cwd: dir,
    env: { PATH: process.env.PATH ?? '', ...environment },
    stdout: 'pipe',
    stderr: 'pipe',
  })
}

async function ended(child: ReturnType<typeof simulate>) {
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ])
  return { out, err, code }
}

describe('bun run simulate', () => {
  test('runs for its time, adds up, and records what was acknowledged', async () => {
    const server = startDouble({ key: 'right' })
    double = server
    const args = ['--url', server.url, '--vehicles', '50', '--rate', '20', '--duration', '0.5']
    const files = ['--frame', '10', '--json', 'sums.json', '--record', 'record.ndjson']
    const { out, code } = await ended(simulate([...args, ...files], { API_KEY: 'right' }))
    expect(code).toBe(0)
    expect(out).toContain('the sum is right')
    const sums = JSON.parse(await readFile(join(dir, 'sums.json'), 'utf8'))
    expect(sums.acknowledged).toBeGreaterThan(100)
    expect(sums.acknowledged).toBe(sums.generated)
    const record = (await readFile(join(dir, 'record.ndjson'), 'utf8')).trimEnd().split('\n')
    expect(record.toSorted()).toEqual(server.taken.toSorted())
    expect(record.length).toBe(sums.acknowledged)
  })

  test('Ctrl-C ends it in peace, held-back pings included', async () => {
    const reached = Promise.withResolvers<void>()
    const server = startDouble({
      key: 'right',
      onFrame(frame) {
        if (frame > 40) reached.resolve()
        return 'take'
      },
    })
    double = server
    const args = ['--url', server.url, '--key', 'right', '--vehicles', '20', '--rate', '20']
    const child = simulate([...args, '--faults', 'late=0.5,duplicate', '--json', 'sums.json'])
    await reached.promise
    child.kill('SIGINT')
    const { code } = await ended(child)
    expect(code).toBe(0)
    const sums = JSON.parse(await readFile(join(dir, 'sums.json'), 'utf8'))
    expect(sums).toMatchObject({ addsUp: true, unacknowledged: 0, acknowledged: sums.generated })
    expect(new Set(server.taken).size).toBe(sums.generated)
  })

  test('borrows a key from the server that runs on the data directory', async () => {
    const server = startDouble({ key: 'lent' })
    double = server
    const control = Bun.serve({
      unix: join(dir, 'control.sock'),
      fetch: (request) =>
        request.method === 'POST' && new URL(request.url).pathname === '/keys'
          ? Response.json({ key: 'lent', expiresMs: 1 })
          : new Response('', { status: 404 }),
    })
    const args = ['--url', server.url, '--vehicles', '5', '--rate', '20', '--duration', '0.2']
    const { code } = await ended(simulate(args, { DATA_DIR: dir }))
    await control.stop(true)
    expect(code).toBe(0)
    expect(server.taken.length).toBeGreaterThan(5)
  })

  test('says in one line what is wrong, each with its exit code', async () => {
    const server = startDouble({ key: 'right' })
    double = server
    const cases = [
      [['--rate', '0'], 2, '--rate is "0"'],
      [['--wat'], 2, '--wat'],
      [['--url', server.url, '--key', 'wrong'], 3, 'the key was refused'],
      [['--url', 'ws://127.0.0.1:1/ws', '--key', 'k'], 1, 'nothing listens'],
      [['--url', server.url], 1, 'no key: give --key or API_KEY'],
    ] as const
    await Promise.all(
      cases.map(async ([args, expected, words]) => {
        const { err, code } = await ended(simulate([...args, '--vehicles=1']))
        expect({ code, said: err.includes(words) }).toEqual({ code: expected, said: true })
        expect(err.split('\n').filter((line) => line.startsWith('simulate:')).length).toBe(1)
      }),
    )
  })

  test('--help names every option', async () => {
    const { out, code } = await ended(simulate(['--help']))
    expect(code).toBe(0)
    for (const option of ['--url', '--faults', '--record', '--window', 'Exit code'])
      expect(out).toContain(option)
  })
})
