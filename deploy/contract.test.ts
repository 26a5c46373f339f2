import { afterAll, beforeAll, expect, test } from 'bun:test'

import { CONTRACT_CASES, runContractCase } from '../gateway/contract-cases.ts'
import { ServerUnderTest, TEST_KEY } from './testing.ts'

const server = new ServerUnderTest()
beforeAll(() => server.start())
afterAll(() => server.dispose())

const sums = async () => {
  const [row] = await server.sql<{ bronze: number; letters: string[] }>(
    `SELECT (SELECT count() FROM bronze.raw_delivery_data) AS bronze,
      (SELECT groupArray(code) FROM (SELECT code FROM dead_letters ORDER BY offset)) AS letters`,
  )
  if (!row) throw new Error('no answer')
  return { bronze: Number(row.bronze), letters: row.letters }
}

/** Plays the cases of these names: tests run in any order, so each makes what it looks at. */
async function play(names: RegExp): Promise<void> {
  for (const row of CONTRACT_CASES.filter(({ name }) => names.test(name))) {
    await runContractCase(row, { url: server.socketUrl, key: TEST_KEY })
  }
}

test.each(CONTRACT_CASES.map((row): [string, typeof row] => [row.name, row]))(
  'over a real socket, into the stores: %s',
  async (_name, row) => {
    const before = await sums()
    await runContractCase(row, { url: server.socketUrl, key: TEST_KEY })
    const after = await sums()
    expect(after.bronze - before.bronze).toBeGreaterThanOrEqual(row.accepted)
    expect(after.bronze - before.bronze).toBeLessThanOrEqual(row.acceptedMax ?? row.accepted)
    expect(after.letters.slice(before.letters.length)).toEqual([...row.deadLetters])
  },
)

test('a session cut on its started has its header, one cut on its completed has it once', async () => {
  await play(/^cut on an unanswered/)
  const [header] = await server.sql(
    "SELECT count() AS n FROM sessions_base WHERE session_id = 'reconnect'",
  )
  const events = await server.sql<{ status: string; n: string }>(
    "SELECT status, count() AS n FROM session_events WHERE session_id = 'reconnect' GROUP BY status ORDER BY status",
  )
  expect(Number(header?.['n'])).toBe(1)
  expect(events.map(({ status, n }) => [status, Number(n)])).toEqual([
    ['completed', 1],
    ['en_route', 1],
    ['started', 1],
  ])
})

test('each dead letter keeps its raw bytes and says what was expected', async () => {
  await play(/^(a latitude off the globe|lines of which one is bad)$/)
  const rows = await server.sql<{ path: string; expected: string; received: string; raw: string }>(
    "SELECT path, expected, received, raw FROM dead_letters WHERE received = '999' ORDER BY offset",
  )
  expect(rows.length).toBeGreaterThanOrEqual(2)
  for (const row of rows) {
    expect(row).toMatchObject({ path: 'current_lat', expected: '≤ 90' })
    expect(JSON.parse(row.raw)).toMatchObject({ current_lat: 999 })
  }
})
