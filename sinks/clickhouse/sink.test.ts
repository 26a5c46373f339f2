import { afterAll, beforeAll, describe, expect, test } from 'bun:test'

import { OrreryError } from '../../actors/kernel/errors.ts'
import type { Fact } from '../../actors/model/fact.ts'
import { batchOf, rejection, signal } from '../conformance-bench.ts'
import { describeSink } from '../conformance.ts'
import { type ClickHouse, ClickHouseError } from './engine.ts'
import { fingerprints, readBack } from './fact-readback.ts'
import { sampleFacts, sampleMovement } from './fact-samples.ts'
import { migrate } from './schema.ts'
import { CLICKHOUSE_LIMITS, ClickHouseSink, readAcknowledged } from './sink.ts'
import { CrashingEngine, openTestClickHouse } from './testing.ts'

let kept: ClickHouse
beforeAll(async () => {
  kept = await openTestClickHouse()
})
afterAll(() => kept.close())

describeSink<Fact>(
  'clickhouse (chDB)',
  async () => {
    const engine = await openTestClickHouse()
    let crashing = new CrashingEngine(engine)
    return {
      sink: new ClickHouseSink(crashing),
      async reopen() {
        crashing = new CrashingEngine(engine)
        return new ClickHouseSink(crashing)
      },
      readBack: () => readBack(engine),
      rowsFor: sampleFacts,
      fingerprints,
      crashAt: (point) => crashing.crashAt(point),
      cleanup: () => engine.close(),
    }
  },
  {
    crashPoints: [
      'before anything',
      'after movements alone',
      'after late marks alone',
      'after windows alone',
      'before movements',
      'between the rows and the offset',
      'after the offset, before the answer',
    ],
  },
)

describe('the ClickHouse sink', () => {
  test('counts right without FINAL after a failed write is written again', async () => {
    const engine = await openTestClickHouse()
    const crashing = new CrashingEngine(engine)
    const sink = new ClickHouseSink(crashing)
    await sink.open(0, signal())
    const facts = sampleFacts(0, 99, 3)
    crashing.crashAt('between the rows and the offset')
    expect(await rejection(sink.write(batchOf(0, 99, facts), signal()))).toMatchObject({
      code: 'sink',
      retriable: true,
    })
    expect(await readAcknowledged(engine, 0)).toBe(-1)
    crashing.crashAt('')
    const inserts = crashing.inserts
    expect(await rejection(sink.write(batchOf(0, 99, facts), signal()))).not.toBeNull()
    // Of the windows alone, whose rows replace each other.
    expect(crashing.inserts).toBe(inserts + 1)
    const counts = await engine.query(
      'SELECT (SELECT count() FROM session_movements), (SELECT count() FROM dead_letters), ' +
        '(SELECT count() FROM trips), (SELECT count() FROM region_windows)',
    )
    expect(counts).toEqual([['100', '25', '15', '60']])
    await engine.close()
  })

  test('a month’s edge within a batch does not split it into two that could be told apart', async () => {
    const engine = await openTestClickHouse()
    const sink = new ClickHouseSink(engine)
    await sink.open(0, signal())
    const edgeMs = Date.UTC(2026, 11, 1)
    const facts = Array.from({ length: 20 }, (_, offset) =>
      sampleMovement({ offset, receivedMs: edgeMs - 10 + offset }),
    )
    await sink.write(batchOf(0, 19, facts), signal())
    // As a crash between the two parts leaves it.
    await engine.command("ALTER TABLE session_movements DROP PARTITION '202612'")
    await engine.command('TRUNCATE TABLE sink_progress')
    const again = new ClickHouseSink(engine)
    expect(await again.open(0, signal())).toBe(-1)
    // Dropped, the part left its token in the window, as a crash would not: hence another id.
    await again.write({ ...batchOf(0, 19, facts), id: '0:0-19 again' }, signal())
    expect(
      await engine.query('SELECT count(), countDistinct(offset) FROM session_movements'),
    ).toEqual([['20', '20']])
    await engine.close()
  })

  test('a store that is not there yet may be opened later, and tables of a newer program never', async () => {
    const opening = (failure: Error) => {
      const refuse = (): Promise<never> => Promise.reject(failure)
      const closed = { database: 'default', close: async () => {}, insert: refuse, ask: refuse }
      const sink = new ClickHouseSink({ ...closed, command: refuse, query: refuse })
      return sink.open(0, signal())
    }
    const away = new ClickHouseError('connection refused', 210)
    await expect(opening(away)).rejects.toMatchObject({ name: 'SinkError', retriable: true })
    const newer = new OrreryError('schema_newer', 'the tables are newer')
    await expect(opening(newer)).rejects.toBe(newer)
  })

  test('a fact of a table that is gone fails for good, and says which', async () => {
    const engine = await openTestClickHouse()
    const sink = new ClickHouseSink(engine)
    await sink.open(0, signal())
    await engine.command('DROP TABLE session_alerts')
    const error = await rejection(sink.write(batchOf(0, 9, sampleFacts(0, 9, 1)), signal()))
    expect(error).toMatchObject({ name: 'SinkError', retriable: false })
    expect(String(error)).toContain('session_alerts')
    await engine.close()
  })

  test('what is stored is found by the index on offsets, not by reading the table', async () => {
    const engine = await openTestClickHouse()
    await migrate(engine)
    const sink = new ClickHouseSink(engine, { ...CLICKHOUSE_LIMITS })
    await sink.open(0, signal())
    for (const first of [0, 20_000]) {
      const facts = Array.from({ length: 20_000 }, (_, at) =>
        sampleMovement({ offset: first + at, sessionId: `session-${first / 20_000}` }),
      )
      await sink.write(batchOf(first, first + 19_999, facts), signal())
    }
    await engine.command('OPTIMIZE TABLE session_movements FINAL')
    const plan = (
      await engine.query(
        'EXPLAIN indexes = 1 SELECT offset, part FROM session_movements WHERE partition = 0 AND offset >= 40000',
      )
    ).join('\n')
    expect(plan).toContain('offset_range')
    expect(plan).toMatch(/Granules: 0\//)
    await engine.close()
  })
})
