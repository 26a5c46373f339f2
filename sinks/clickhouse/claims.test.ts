import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'

import type { Fact } from '../../actors/model/fact.ts'
import { batchOf, rejection, signal } from '../conformance-bench.ts'
import { describeSink } from '../conformance.ts'
import { SinkFenced } from '../sink.ts'
import type { ClickHouse } from './engine.ts'
import { fingerprints, readBack } from './fact-readback.ts'
import { sampleFacts } from './fact-samples.ts'
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

let epochs = 0
describeSink<Fact>('clickhouse (with claims)', async () => {
  const engine = await openTestClickHouse()
  const next = (): ClickHouseSink => sinkOf(engine, ++epochs)
  return {
    sink: next(),
    reopen: async () => next(),
    readBack: () => readBack(engine),
    rowsFor: sampleFacts,
    fingerprints,
    cleanup: () => engine.close(),
  }
})

describe('a writer whose partition was claimed', () => {
  test('is refused as a whole, and nothing of it is stored', async () => {
    const engine = await openTestClickHouse()
    const zombie = sinkOf(engine, 4)
    expect(await zombie.open(3, signal())).toBe(-1)
    await zombie.write({ ...facts(0, 9), partition: 3 }, signal())
    expect(await sinkOf(engine, 5).open(3, signal())).toBe(9)
    const refused = await rejection(zombie.write({ ...facts(10, 30), partition: 3 }, signal()))
    expect(refused).toBeInstanceOf(SinkFenced)
    expect(refused).toMatchObject({ retriable: false })
    expect(String(refused)).toContain('partition 3 was claimed after epoch 4')
    for (const table of ['session_movements', 'session_headers', 'trips', 'dead_letters']) {
      expect(await engine.query(`SELECT count() FROM ${table} WHERE offset > 9`)).toEqual([['0']])
    }
    expect(await readAcknowledged(engine, 3)).toBe(9)
    // Neither may it claim again, and other partitions are not concerned.
    expect(await rejection(sinkOf(engine, 4).open(3, signal()))).toBeInstanceOf(SinkFenced)
    expect(await sinkOf(engine, 1).open(4, signal())).toBe(-1)
    expect(
      await engine.query(
        'SELECT partition, max(epoch), argMax(holder, epoch) FROM sink_epochs GROUP BY 1 ORDER BY 1',
      ),
    ).toEqual([
      [3, '5', 'worker 5'],
      [4, '1', 'worker 1'],
    ])
    await engine.close()
  })
})

describe('an installation', () => {
  test('has its tables for itself, and the other is told what to do', async () => {
    const engine = await openTestClickHouse()
    const of = (installation: string) =>
      new ClickHouseSink(engine, CLICKHOUSE_LIMITS, undefined, { epoch: 1, installation })
    const opened = [0, 1, 2, 3].map((partition) => of('fleet/pings').open(partition, signal()))
    expect(await Promise.all(opened)).toEqual([-1, -1, -1, -1])
    expect(await engine.query('SELECT id FROM installation')).toEqual([['fleet/pings']])
    const refused = await rejection(of('other/pings').open(0, signal()))
    expect(refused).toMatchObject({ code: 'installation_other', retriable: false })
    expect(String(refused)).toMatch(/belongs to the installation fleet\/pings.*CLICKHOUSE_DATABASE/)
    await engine.close()
  })
})
