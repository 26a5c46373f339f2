import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'

import { seededRandom } from '../../actors/kernel/clock.ts'
import { silentLog } from '../../actors/kernel/telemetry.ts'
import { batchOf, rejection, signal } from '../conformance-bench.ts'
import { SinkFenced } from '../sink.ts'
import type { ClickHouse } from './engine.ts'
import { fingerprints, readBack } from './fact-readback.ts'
import { sampleFacts } from './fact-samples.ts'
import type { ServerTimeouts } from './server-engine.ts'
import { openClickHouseServer } from './server-open.ts'
import { openTestHttp, type TestHttp } from './server-stores.ts'
import type { HoldPoint } from './server-testing.ts'
import { CLICKHOUSE_LIMITS, ClickHouseSink, readAcknowledged } from './sink.ts'
import { openTestClickHouse } from './testing.ts'

setDefaultTimeout(60_000)
let kept: ClickHouse
beforeAll(async () => {
  kept = await openTestClickHouse()
})
afterAll(() => kept.close())

const sinkOf = (engine: ClickHouse, epoch: number): ClickHouseSink =>
  new ClickHouseSink(engine, CLICKHOUSE_LIMITS, undefined, { epoch, holder: `worker ${epoch}` })

const facts = (first: number, last: number) => batchOf(first, last, sampleFacts(first, last, 1))

const expected = (last: number): readonly string[] =>
  sampleFacts(0, last, 1).flatMap(fingerprints).sort()

/** Another process over the same server. */
const another = ({ server, engine }: TestHttp, timeouts: Partial<ServerTimeouts> = {}) =>
  openClickHouseServer({
    ...{ host: '127.0.0.1', port: server.port, user: 'default', password: '' },
    ...{ database: engine.database, timeouts, log: silentLog },
  })

/** A promise, and what fulfils it. */
function gate(): Readonly<{ passed: Promise<void>; open: () => void }> {
  const { promise, resolve } = Promise.withResolvers<void>()
  return { passed: promise, open: () => resolve() }
}

/** Holds requests of one kind up at a point; says when one is held. */
function holding({ server }: TestHttp, where: HoldPoint, meets: (sql: string) => boolean) {
  const [held, go] = [gate(), gate()]
  server.hold = (sql, point) => {
    if (point !== where || !meets(sql)) return null
    held.open()
    return go.passed
  }
  return { held: held.passed, letGo: go.open }
}

const isRows = (sql: string): boolean => sql.startsWith('INSERT INTO session_movements')
const isOffset = (sql: string): boolean => sql.startsWith('INSERT INTO sink_progress')

describe('a writer whose partition was claimed', () => {
  test('is refused though its late rows have the token and the cut of the new writer', async () => {
    const http = await openTestHttp()
    const theirs = await another(http)
    const zombie = sinkOf(http.engine, 1)
    await zombie.open(0, signal())
    const late = holding(http, 'arriving', isRows)
    const writing = rejection(zombie.write(facts(0, 20), signal()))
    await late.held
    http.server.hold = () => null
    const next = sinkOf(theirs, 2)
    expect(await next.open(0, signal())).toBe(-1)
    await next.write(facts(0, 20), signal())
    late.letGo()
    expect(await writing).toBeInstanceOf(SinkFenced)
    expect([...(await readBack(theirs))].sort()).toEqual([...expected(20)])
    await theirs.close()
    await http.engine.close()
  })

  test('is refused with its offset alone when its rows were stored before the claim', async () => {
    const http = await openTestHttp()
    const theirs = await another(http)
    const zombie = sinkOf(http.engine, 1)
    await zombie.open(0, signal())
    const late = holding(http, 'arriving', isOffset)
    const writing = rejection(zombie.write(facts(0, 20), signal()))
    await late.held
    http.server.hold = () => null
    const next = sinkOf(theirs, 2)
    expect(await next.open(0, signal())).toBe(-1)
    late.letGo()
    expect(await writing).toBeInstanceOf(SinkFenced)
    expect(await readAcknowledged(theirs, 0)).toBe(-1)
    await next.write(facts(0, 7), signal())
    await next.write(facts(8, 25), signal())
    expect([...(await readBack(theirs))].sort()).toEqual([...expected(25)])
    expect(await readAcknowledged(theirs, 0)).toBe(25)
    await theirs.close()
    await http.engine.close()
  })
})

describe('an insert that the claim finds in the middle of its rows', () => {
  test('is waited for, and what it stores is known to the new writer', async () => {
    const http = await openTestHttp()
    const theirs = await another(http)
    const zombie = sinkOf(http.engine, 1)
    await zombie.open(0, signal())
    const half = holding(http, 'running', isRows)
    const writing = rejection(zombie.write(facts(0, 20), signal()))
    await half.held
    const looked = gate()
    http.server.hold = (sql) => (sql.includes('system.processes') ? (looked.open(), null) : null)
    const next = sinkOf(theirs, 2)
    const opened = next.open(0, signal())
    await looked.passed
    half.letGo()
    expect(await opened).toBe(-1)
    expect(await writing).toBeInstanceOf(SinkFenced)
    await next.write(facts(0, 11), signal())
    await next.write(facts(12, 30), signal())
    expect([...(await readBack(theirs))].sort()).toEqual([...expected(30)])
    await theirs.close()
    await http.engine.close()
  })

  test('is stopped when its sender stands still, and stores nothing when that one goes on', async () => {
    const http = await openTestHttp()
    const theirs = await another(http, { stopMs: 0, claimMs: 500 })
    const zombie = sinkOf(http.engine, 1)
    await zombie.open(0, signal())
    await zombie.open(1, signal())
    const half = holding(http, 'running', isRows)
    const writing = rejection(zombie.write(facts(0, 20), signal()))
    await half.held
    http.server.hold = () => null
    const next = sinkOf(theirs, 2)
    // Another partition does not wait for it.
    expect(await next.open(1, signal())).toBe(-1)
    // The server waits for the socket, whatever stopped it: so that is said, and may be tried again.
    const waited = await rejection(next.open(0, signal()))
    expect(waited).toMatchObject({ name: 'SinkError', retriable: true })
    expect(String(waited)).toContain('do not end within 500 ms')
    half.letGo()
    expect(await writing).toMatchObject({ name: 'SinkError' })
    expect(await next.open(0, signal())).toBe(-1)
    expect(await theirs.query('SELECT count() FROM session_movements')).toEqual([['0']])
    await next.write(facts(0, 30), signal())
    expect([...(await readBack(theirs))].sort()).toEqual([...expected(30)])
    await theirs.close()
    await http.engine.close()
  })
})

describe('two writers over the same facts', () => {
  // Every fifth request or so of either is held up until the other has done something.
  for (const seed of [1, 2, 3, 4, 5, 6]) {
    test(`store each once, wherever they are held up (seed ${seed})`, async () => {
      const http = await openTestHttp()
      const engines = [http.engine, await another(http)]
      const random = seededRandom(seed)
      const below = (bound: number): number => Math.floor(random() * bound)
      let waiting: (() => void)[] = []
      const wake = (): void => {
        const woken = waiting
        waiting = []
        for (const go of woken) go()
      }
      const points: readonly HoldPoint[] = ['arriving', 'running', 'done']
      http.server.hold = (sql, point) => {
        if (!sql.startsWith('INSERT INTO ') || sql.includes('schema_migrations')) return null
        if (below(4) > 0 || point !== points[below(3)] || waiting.length > 2) return null
        return new Promise((resolve) => void waiting.push(resolve))
      }
      const last = 60
      let epoch = 0
      let done = false
      const work = async (engine: ClickHouse): Promise<void> => {
        while (!done) {
          const sink = sinkOf(engine, ++epoch)
          try {
            let first = (await sink.open(0, signal())) + 1
            for (; first <= last;) {
              const end = Math.min(last, first + below(17))
              await sink.write(facts(first, end), signal())
              first = end + 1
              // A claim comes at any moment, and not only of one who is refused.
              if (below(3) === 0) break
            }
            if (first > last) done = true
          } catch (thrown) {
            expect(thrown).toMatchObject({ name: expect.stringMatching(/^Sink(Error|Fenced)$/) })
          }
          wake()
        }
      }
      // Both may be held up at once: real time goes on, as it does for them.
      const pump = setInterval(wake, 20)
      await Promise.all(engines.map(work))
      clearInterval(pump)
      http.server.hold = () => null
      wake()
      expect([...(await readBack(http.engine))].sort()).toEqual([...expected(last)])
      expect(await readAcknowledged(http.engine, 0)).toBe(last)
      for (const engine of engines.toReversed()) await engine.close()
    }, 60_000)
  }
})
