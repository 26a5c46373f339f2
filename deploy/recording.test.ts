import { afterEach, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { naiveIsoUs } from '../actors/model/time.ts'
import { ServerUnderTest } from './testing.ts'

const SESSIONS = 5
const FIXES = 40
let server: ServerUnderTest | null = null
afterEach(() => server?.dispose())

/** Five deliveries of forty fixes each, interleaved as a simulator sends them. */
function recording(path: string): string {
  const startUs = Date.parse('2026-11-21T04:00:00Z') * 1_000
  const lines = Array.from({ length: SESSIONS * FIXES }, (_, index) => {
    const session = index % SESSIONS
    const fix = Math.floor(index / SESSIONS)
    return JSON.stringify({
      device_id: `d${session}`,
      vehicle_id: `v${session}`,
      session_id: `s${session}`,
      order_id: `o${session}`,
      status: fix === 0 ? 'started' : fix === FIXES - 1 ? 'completed' : 'en_route',
      timestamp: naiveIsoUs(startUs + fix * 1_000_000 + session),
      start_lat: 38,
      start_lon: 23.7,
      end_lat: 38.1,
      end_lon: 23.8,
      current_lat: 38 + fix / 10_000,
      current_lon: 23.7 + session / 100,
      route_name: 'Route 6',
      waypoint_count: 396,
    })
  })
  writeFileSync(path, `${lines.join('\n')}\n`)
  return path
}

/** How many rows each layer holds, and a hash of silver's documented columns. */
async function rows(of: ServerUnderTest) {
  const [sums] = await of.sql(`SELECT
    (SELECT count() FROM sessions_base) AS headers,
    (SELECT count() FROM session_events) AS events,
    (SELECT count() FROM default.session_movements) AS movements,
    (SELECT count() FROM bronze.raw_delivery_data) AS bronze,
    (SELECT sum(distance_cm) FROM session_movements) AS distance_cm,
    (SELECT toString(sum(cityHash64(session_id, current_lat, current_lon, timestamp, movement_id))) FROM session_movements) AS movements_hash,
    (SELECT toString(sum(cityHash64(session_id, status, timestamp, event_id))) FROM session_events) AS events_hash`)
  if (!sums) throw new Error('no answer')
  const { bronze, ...silver } = sums
  return { bronze: Number(bronze), silver }
}

test('a recording replayed three times: silver once, bronze each time, repeats told', async () => {
  server = new ServerUnderTest({ ACTOR_IDLE_MS: '1000', SNAPSHOT_INTERVAL_MS: '500' })
  const file = recording(join(server.root, 'pings.ndjson'))
  const total = SESSIONS * FIXES

  // Nothing runs: the stores are opened for the replay alone.
  const first = await server.run('replay.ts', [file])
  expect([first.code, first.err.includes('error')]).toEqual([0, false])
  expect(first.out).toMatch(new RegExp(`accepted +${total}[^]*duplicate +0`))
  const before = await rows(server)
  expect(before.silver).toMatchObject({
    headers: SESSIONS,
    events: SESSIONS * 3,
    movements: total,
  })
  expect(before.bronze).toBe(total)

  await server.start()
  const second = await server.run('replay.ts', [file])
  expect(second.out).toMatch(new RegExp(`duplicate +${total}`))
  expect(await rows(server)).toEqual({ silver: before.silver, bronze: total * 2 })

  // With all sessions put away, and after a restart.
  const awake = async (): Promise<string | undefined> =>
    /^orrery_actors_awake (\d+)$/m.exec(await (await fetch(`${server?.url}/metrics`)).text())?.[1]
  while ((await awake()) !== '0') await new Promise((resolve) => setTimeout(resolve, 100))
  const third = await server.run('replay.ts', [file])
  expect(third.out).toMatch(new RegExp(`duplicate +${total}`))
  expect(await server.end()).toBe(0)
  await server.start()
  const fourth = await server.run('replay.ts', [file])
  expect(fourth.out).toMatch(new RegExp(`duplicate +${total}`))
  expect(await rows(server)).toEqual({ silver: before.silver, bronze: total * 4 })
  const replays = (await server.end(), await server.log()).filter(
    ({ message }) => message === 'replaying the journal',
  )
  expect(replays).toEqual([])
})
