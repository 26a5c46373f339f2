import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { seededRandom, systemClock } from '../../../actors/kernel/clock.ts'
import { Poster } from './poster.ts'

let root = ''
beforeEach(() => void (root = mkdtempSync(join(tmpdir(), 'orrery-poster-'))))
afterEach(() => rmSync(root, { recursive: true }))

/** What a gateway does with the bodies that come, by their number. */
async function driven(answer: (body: number) => Response, bodies: number) {
  const received: string[] = []
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: async (request) => {
      received.push(await request.text())
      return answer(received.length)
    },
  })
  let made = 0
  const all = Promise.withResolvers<void>()
  const recordFile = join(root, 'record.ndjson')
  const poster = new Poster({
    ...{ urls: [`http://127.0.0.1:${server.port}`], path: '/ingest', key: 'k', everyMs: 5 },
    ...{ recordFile, clock: systemClock, random: seededRandom(3) },
    make: () => {
      if (made === bodies) all.resolve()
      return made < bodies ? [`{"n":${made++}}`] : []
    },
  })
  await all.promise
  const left = await poster.finish(10_000)
  await server.stop(true)
  const recorded = readFileSync(recordFile, 'utf8').trimEnd().split('\n').sort()
  return { received, recorded, left, sums: poster.sums }
}

const taken = (): Response => Response.json({ accepted: 1, refusedCount: 0 })

test('what is not taken is sent again until it is, and only what was taken is recorded', async () => {
  const unhappy = (n: number): Response =>
    n % 3 === 0 ? taken() : new Response('busy', { status: n % 3 === 1 ? 503 : 500 })
  const { received, recorded, left, sums } = await driven(unhappy, 6)
  expect(recorded).toEqual([0, 1, 2, 3, 4, 5].map((n) => `{"n":${n}}`))
  expect(left).toBe(0)
  expect(sums).toMatchObject({ generated: 6, acknowledged: 6, refused: 0 })
  expect(sums.triedAgain).toBeGreaterThan(0)
  expect(received.length).toBeGreaterThan(6)
})

test('some of what was taken is sent once more, and counted once', async () => {
  const { received, recorded, sums } = await driven(taken, 60)
  expect(sums.repeats).toBeGreaterThan(0)
  expect(received.length).toBe(60 + sums.repeats)
  expect(recorded.length).toBe(60)
})
