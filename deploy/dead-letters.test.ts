import { Database } from 'bun:sqlite'
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { z } from 'zod'

import { ServerUnderTest, TEST_KEY } from './testing.ts'

const DAY_MS = 86_400_000

const wire = (session: string, atMs: number, fields: object = {}): object => ({
  device_id: session,
  vehicle_id: session,
  session_id: session,
  order_id: session,
  status: 'en_route',
  timestamp: new Date(atMs).toISOString(),
  start_lat: 37.9,
  start_lon: 23.7,
  end_lat: 38,
  end_lon: 23.8,
  current_lat: 37.95,
  current_lon: 23.75,
  ...fields,
})

const list = z.object({
  deadLetters: z.array(z.record(z.string(), z.unknown())),
  total: z.number(),
  byCode: z.record(z.string(), z.number()),
})

function asking(server: ServerUnderTest) {
  return {
    send: async (body: object | string): Promise<number> => {
      const text = typeof body === 'string' ? body : JSON.stringify(body)
      const headers = { authorization: `Bearer ${TEST_KEY}` }
      const answer = await fetch(`${server.url}/ingest`, { method: 'POST', headers, body: text })
      await answer.text()
      return answer.status
    },
    letters: async (query = '') =>
      list.parse(await (await fetch(`${server.url}/api/dead-letters${query}`)).json()),
    retry: async (id: unknown) => {
      const path = `${server.url}/api/dead-letters/${String(id)}/retry`
      return (await fetch(path, { method: 'POST' })).json()
    },
    command: (...args: string[]) => server.run('dead-letters.ts', args),
    stored: async (session: string) => {
      const [row] = await server.sql<Record<'bronze' | 'silver' | 'headers', string>>(
        `SELECT (SELECT count() FROM bronze.raw_delivery_data WHERE session_id = '${session}') AS bronze,
          (SELECT count() FROM session_movements WHERE session_id = '${session}') AS silver,
          (SELECT count() FROM sessions_base WHERE session_id = '${session}') AS headers`,
      )
      return [row?.bronze, row?.silver, row?.headers].map(Number)
    },
  }
}

describe('a message that was refused for a setting', () => {
  const server = new ServerUnderTest()
  const { send, letters, retry, command, stored } = asking(server)
  beforeAll(() => server.start())
  afterAll(() => server.dispose())

  test('is listed, refused again with the reason, and after the fix accepted, once, whatever crashes', async () => {
    const atMs = Date.now() + 3 * DAY_MS
    expect(await send(wire('early', atMs))).toBe(400)
    expect(await send('\u001b[2J no json')).toBe(400)
    expect(await send(`{"x":"${'x'.repeat(70_000)}"}`)).toBe(400)
    for (const n of [1, 2, 3]) expect(await send(wire(`early-${n}`, atMs))).toBe(400)

    const first = await letters('?code=invalid_ping')
    expect(first.byCode).toMatchObject({ invalid_ping: 4, invalid_json: 1 })
    const letter = first.deadLetters.at(-1) ?? {}
    expect(letter).toMatchObject({ path: 'timestamp', retries: 0, outcome: null })
    expect(await retry(letter['id'])).toMatchObject({ outcome: 'refused', path: 'timestamp' })
    const refused = await command('retry', String(letter['id']))
    expect([refused.code, refused.err]).toEqual([1, ''])
    expect(refused.out).toContain('refused: timestamp: expected a time at most 24 h ahead')
    expect((await letters('?outcome=refused')).deadLetters).toMatchObject([
      { id: letter['id'], retries: 2 },
    ])
    expect(await stored('early')).toEqual([0, 0, 0])

    const out = await command('--code', 'invalid_json', '--retried', 'no')
    expect([out.code, out.out.split('\t').slice(2, 4)]).toEqual([0, ['-', 'invalid_json']])
    // A terminal does not do what a sender wrote.
    expect(out.out).not.toContain('\u001b')

    await server.end()
    // As its owner would: the program reads the file in the folder that it is started in.
    writeFileSync(join(server.root, '.env'), `EVENT_TIME_FUTURE_MAX_MS=${10 * DAY_MS}\n`)
    await server.start()
    expect(await retry(letter['id'])).toMatchObject({ outcome: 'accepted', pings: 1, again: false })
    await server.end('SIGKILL')
    await server.start()
    expect(await retry(letter['id'])).toMatchObject({ outcome: 'accepted', pings: 0, again: true })
    expect(await stored('early')).toEqual([1, 1, 1])
    expect((await letters('?outcome=accepted')).deadLetters).toMatchObject([
      { id: letter['id'], retries: 3, retryMessage: '' },
    ])

    const all = await command('retry', '--all', '--code', 'invalid_ping')
    expect([all.code, all.out]).toEqual([
      0,
      '3 retried: 3 accepted, 0 in part, 0 refused again; 3 pings\n',
    ])
    expect(await stored('early-2')).toEqual([1, 1, 1])
    const rest = await command('retry', '--all', '--json')
    expect(JSON.parse(rest.out)).toMatchObject({ retried: 1, refused: 1, cut: 1 })
    expect(rest.code).toBe(1)
    expect((await letters('?retried=yes')).total).toBe(5)
  }, 60_000)
})

describe('a session whose state cannot be read', () => {
  const server = new ServerUnderTest()
  const { send, letters, command, stored } = asking(server)
  beforeAll(() => server.start())
  afterAll(() => server.dispose())

  /** As an upgrade that was half done would leave it. */
  const moveVersion = (by: number): void => {
    const states = new Database(join(server.dataDir, 'state.db'))
    states.run("UPDATE states SET version = version + ? WHERE key = 'session:sick'", [by])
    states.close()
  }

  test('costs its pings alone, and gets them when it can be read again', async () => {
    const atMs = Date.now()
    // Completed, so that no map needs its state when the process starts.
    expect(await send(wire('sick', atMs, { status: 'completed' }))).toBe(200)
    await server.end()
    moveVersion(100)
    await server.start()
    const more = { current_lat: 37.96, note: 'kept' }
    expect(await send([wire('sick', atMs + 1_000, more), wire('well', atMs)])).toBe(200)
    expect(await send(wire('well', atMs + 1_000))).toBe(200)
    const { deadLetters } = await letters('?code=poison')
    expect(deadLetters).toHaveLength(1)
    expect(JSON.parse(String(deadLetters[0]?.['raw']))).toMatchObject({
      session_id: 'sick',
      note: 'kept',
    })
    expect(await stored('well')).toEqual([2, 2, 1])
    expect(await stored('sick')).toEqual([2, 1, 1])

    await server.end()
    moveVersion(-100)
    await server.start()
    const retried = await command('retry', '--all', '--code', 'poison')
    expect([retried.code, retried.out]).toEqual([
      0,
      '1 retried: 1 accepted, 0 in part, 0 refused again; 1 pings\n',
    ])
    // Bronze has what was accepted, repeats included: once from its sender, once from the retry.
    expect(await stored('sick')).toEqual([3, 2, 1])
  }, 60_000)
})

describe('bun run dead-letters', () => {
  const server = new ServerUnderTest()
  afterAll(() => server.dispose())

  test('says that no server runs, and what is wrong with its flags, in one line', async () => {
    mkdirSync(server.dataDir)
    const none = await server.run('dead-letters.ts', ['list'])
    expect([none.code, none.out, none.err]).toEqual([
      1,
      '',
      `orrery: no server runs on ${server.dataDir}; start it with "bun run start"\n`,
    ])
    for (const args of [
      ['retry'],
      ['retry', '0-1-0', '--all'],
      ['lose'],
      ['--all'],
      ['list', 'x'],
      ['retry', '0-1-0', '--code', 'x'],
    ]) {
      const { err, code } = await server.run('dead-letters.ts', args)
      expect([code, err.split('\n').length, args]).toEqual([2, 2, args])
    }
    expect((await server.run('dead-letters.ts', ['--help'])).out).toContain('retry --all')
  })
})
