import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { join } from 'node:path'

import { type Clock, seededRandom, systemClock } from '../../actors/kernel/clock.ts'
import type { Fact } from '../../actors/model/fact.ts'
import { batchOf, rejection, signal } from '../conformance-bench.ts'
import { describeSink } from '../conformance.ts'
import type { ClickHouse } from './engine.ts'
import { fingerprints, readBack } from './fact-readback.ts'
import { sampleFacts } from './fact-samples.ts'
import { openTestHttp, type TestHttp } from './server-stores.ts'
import type { TestStatement } from './server-testing-statements.ts'
import type { Fault } from './server-testing.ts'
import { ClickHouseSink, readAcknowledged } from './sink.ts'
import { openTestClickHouse } from './testing.ts'

setDefaultTimeout(60_000)
let kept: ClickHouse
beforeAll(async () => {
  kept = await openTestClickHouse()
})
afterAll(() => kept.close())

const INSERT_MS = 29_000

const isRows = ({ data }: TestStatement): boolean => data.length > 0
const isOffset = ({ sql }: TestStatement): boolean => sql.startsWith('INSERT INTO sink_progress')

type Point = Readonly<{ meets: (statement: TestStatement) => boolean; fault: Fault }>

const POINTS: Readonly<Record<string, Point>> = {
  'of the connection before the rows were read': { meets: isRows, fault: 'cut before' },
  'of the connection after the rows were stored': { meets: isRows, fault: 'cut after' },
  'of the server, which answers nothing any more': { meets: isRows, fault: 'hang before' },
  'of the answer, that comes too late though the rows are stored': {
    meets: isRows,
    fault: 'hang after',
  },
  'of the server behind a proxy': { meets: isRows, fault: 'unavailable' },
  'of the connection after movements alone': {
    meets: (statement) => isRows(statement) && !statement.sql.includes('session_movements'),
    fault: 'cut before',
  },
  'of the connection before the offset': { meets: isOffset, fault: 'cut before' },
  'of the connection after the offset': { meets: isOffset, fault: 'cut after' },
}

/** Inserts time out when all of them hang: nothing depends on how fast the machine is. */
function expiringClock(): Readonly<{ clock: Clock; expireWhen: (hanging: number) => boolean }> {
  const waiting = new Set<() => void>()
  const after: Clock['after'] = (delayMs, call) => {
    if (delayMs !== INSERT_MS) return systemClock.after(delayMs, call)
    waiting.add(call)
    return () => void waiting.delete(call)
  }
  return {
    clock: { ...systemClock, after },
    expireWhen(hanging) {
      if (hanging < waiting.size) return false
      for (const call of waiting) call()
      return true
    },
  }
}

async function openExpiring(): Promise<TestHttp> {
  const { clock, expireWhen } = expiringClock()
  // Without a pause between tries; they are made all the same.
  const http = await openTestHttp({ clock, random: () => 0, timeouts: { insertMs: INSERT_MS } })
  http.server.onHang = () => {
    if (expireWhen(http.server.hanging)) http.server.release()
  }
  return http
}

describeSink<Fact>(
  'clickhouse (a server)',
  async () => {
    const { server, engine } = await openExpiring()
    return {
      sink: new ClickHouseSink(engine),
      async reopen() {
        server.fault = () => null
        return new ClickHouseSink(engine)
      },
      readBack: () => readBack(engine),
      rowsFor: sampleFacts,
      fingerprints,
      crashAt(name) {
        const point = POINTS[name]
        server.fault = (statement) => (point?.meets(statement) ? point.fault : null)
      },
      cleanup: () => engine.close(),
    }
  },
  { crashPoints: Object.keys(POINTS) },
)

describe('the sink over a server that fails', () => {
  const counts =
    'SELECT (SELECT count() FROM session_movements), (SELECT count() FROM dead_letters), ' +
    '(SELECT count() FROM trips), (SELECT count() FROM region_windows)'

  for (const [name, { meets, fault }] of Object.entries(POINTS)) {
    test(`counts right without FINAL when the same batch comes again after a loss ${name}`, async () => {
      const { server, engine } = await openExpiring()
      const sink = new ClickHouseSink(engine)
      await sink.open(0, signal())
      const facts = sampleFacts(0, 99, 3)
      server.fault = (statement) => (meets(statement) ? fault : null)
      const failed = await rejection(sink.write(batchOf(0, 99, facts), signal()))
      expect(failed).toMatchObject({ name: 'SinkError', retriable: true })
      server.fault = () => null
      await sink.write(batchOf(0, 99, facts), signal())
      expect(await engine.query(counts)).toEqual([['100', '25', '15', '60']])
      expect(await readAcknowledged(engine, 0)).toBe(99)
      await engine.close()
    })
  }

  test('a connection that is cut once is not noticed, and rows that were stored are not there twice', async () => {
    for (const fault of ['cut before', 'cut after', 'unavailable'] as const) {
      const { server, engine } = await openExpiring()
      const sink = new ClickHouseSink(engine)
      await sink.open(0, signal())
      const met = new Set<string>()
      server.fault = ({ sql, data }) => {
        if (data.length === 0 || met.has(sql)) return null
        met.add(sql)
        return fault
      }
      await sink.write(batchOf(0, 99, sampleFacts(0, 99, 3)), signal())
      expect(met.size).toBeGreaterThan(5)
      expect(await engine.query(counts)).toEqual([['100', '25', '15', '60']])
      await engine.close()
    }
  })

  test('and workers that are killed as they write, each row is stored once', async () => {
    const { server, engine } = await openTestHttp()
    const random = seededRandom(5)
    const below = (bound: number): number => Math.floor(random() * bound)
    for (let killed = 0; killed < 8; killed += 1) {
      const messages = String(5 + below(20))
      const args = [join(import.meta.dir, 'server-child.ts'), String(server.port), engine.database]
      const child = Bun.spawn([process.execPath, ...args, messages], { stderr: 'inherit' })
      let left = 1 + below(25)
      server.fault = (statement) => {
        if (isRows(statement) || isOffset(statement)) left -= 1
        if (left !== 0) return null
        child.kill('SIGKILL')
        // What the server has is done all the same, while the next worker begins.
        return 'slow'
      }
      await child.exited
      expect(child.signalCode).toBe('SIGKILL')
    }
    server.fault = () => null
    const sink = new ClickHouseSink(engine)
    const first = (await sink.open(0, signal())) + 1
    const last = first + 40
    await sink.write(batchOf(first, last, sampleFacts(first, last, 1)), signal())
    const expected = sampleFacts(0, last, 1).flatMap(fingerprints).sort()
    expect([...(await readBack(engine))].sort()).toEqual(expected)
    await engine.close()
  }, 60_000)
})
