import { describe, expect, test } from 'bun:test'

import { seededRandom, VirtualClock } from '../actors/kernel/clock.ts'
import { jsonLog, Telemetry } from '../actors/kernel/telemetry.ts'
import { SinkActor } from './sink-actor.ts'
import type { SinkBounds } from './sink-bounds.ts'
import { type Fault, MemorySink, MemoryStore, TEST_LIMITS } from './testing.ts'

type Row = `${number}.${number}`
const LABELS = { sink: 'memory', partition: '0' }

async function harness(
  options: { store?: MemoryStore<Row>; inFlightMax?: number; bounds?: Partial<SinkBounds> } = {},
) {
  const clock = new VirtualClock()
  const store = options.store ?? new MemoryStore<Row>()
  const limits = { ...TEST_LIMITS, inFlightMax: options.inFlightMax ?? 1 }
  const sink = new MemorySink<Row>(store, (row) => row, limits)
  const telemetry = new Telemetry()
  const lines: string[] = []
  const log = jsonLog(
    'debug',
    (line) => lines.push(line),
    () => clock.nowMs(),
  )
  const random = seededRandom(1)
  const { bounds = {} } = options
  const actor = new SinkActor<Row>({
    ...{ sink, partition: 0, clock, random, log, telemetry, bounds },
  })
  /** Hands over `each` rows for every offset of the range, and moves the watermark behind it. */
  const hand = (first: number, last: number, each = 1): void => {
    for (let offset = first; offset <= last; offset++) {
      for (let part = 0; part < each; part++) {
        actor.accept(offset, `${offset}.${part}`, 10, clock.nowMs())
      }
    }
    actor.advance(last)
  }
  const batches = (trigger: string): number =>
    telemetry.counter('orrery_sink_batches_total', '', { ...LABELS, trigger }).value
  const said = (message: string): number =>
    lines.filter((line) => line.includes(`"${message}"`)).length
  return { clock, store, sink, telemetry, actor, hand, batches, said }
}

const rowsOf = (first: number, last: number): Row[] =>
  Array.from({ length: last - first + 1 }, (_, at): Row => `${first + at}.0`)

describe('opening', () => {
  test('goes on behind what the store has, and drops what a replay sends again', async () => {
    const store = new MemoryStore<Row>()
    store.acknowledged.set(0, 4)
    const { actor, hand, clock } = await harness({ store })
    expect(await actor.open()).toBe(4)
    hand(2, 7)
    await clock.advanceMs(50)
    expect(store.rows).toEqual(rowsOf(5, 7))
    expect(actor.acknowledged).toBe(7)
  })

  test('is tried again while that may help', async () => {
    const { actor, sink, clock } = await harness()
    sink.faults.push('retriable', 'retriable')
    const opened = actor.open()
    await clock.advanceMs(1_000)
    expect(await opened).toBe(-1)
  })

  test('fails at once when the store says that it never will', async () => {
    const { actor, sink } = await harness()
    sink.faults.push('refused')
    await expect(actor.open()).rejects.toThrow('fault: refused')
    expect(actor.health().status).toBe('unhealthy')
  })

  test('gives up on a store that does not answer', async () => {
    const { actor, sink, clock } = await harness({ bounds: { openMsMax: 2_000 } })
    sink.faults.push('hang')
    const opened = actor.open().catch((thrown: Error) => thrown.message)
    await clock.advanceMs(2_000)
    expect(await opened).toBe('no answer within 2000 ms')
    expect(clock.waiting).toBe(0)
  })

  test('comes before anything is accepted', async () => {
    const { actor } = await harness()
    expect(() => actor.accept(0, '0.0', 10, 0)).toThrow('not open')
    expect(() => actor.advance(0)).toThrow('not open')
  })
})

describe('batches', () => {
  test('are whole ranges, one behind the other, with exactly their rows', async () => {
    const { actor, sink, hand, clock } = await harness()
    await actor.open()
    hand(0, 3)
    await clock.advanceMs(50)
    actor.advance(6)
    hand(8, 9)
    await clock.advanceMs(50)
    expect(sink.tried.map((batch) => batch.id)).toEqual(['0:0-3', '0:4-9'])
    expect(sink.tried[1]).toEqual({
      id: '0:4-9',
      partition: 0,
      offsetFirst: 4,
      offsetLast: 9,
      rows: rowsOf(8, 9),
    })
  })

  test('hold deferred rows in order of offset, and none above the watermark', async () => {
    const { actor, sink, clock } = await harness()
    await actor.open()
    for (const offset of [0, 1, 4, 5, 3]) actor.accept(offset, `${offset}.0`, 10, 0)
    actor.advance(1)
    await clock.advanceMs(50)
    actor.accept(2, '2.0', 10, 0)
    actor.advance(4)
    await clock.advanceMs(50)
    expect(sink.tried.map((batch) => batch.rows)).toEqual([rowsOf(0, 1), rowsOf(2, 4)])
    expect(actor.lagRows).toBe(1)
  })

  test('a row that comes behind the watermark is a broken invariant', async () => {
    const { actor, hand } = await harness()
    await actor.open()
    hand(0, 5)
    expect(() => actor.accept(5, '5.1', 10, 0)).toThrow('after its range')
  })

  test('are closed by rows, bytes, age and flush, and say by which', async () => {
    const { actor, hand, batches, clock } = await harness()
    await actor.open()
    hand(0, 9)
    await clock.advanceMs(0)
    actor.accept(10, '10.0', 1_000, 0)
    actor.advance(10)
    await clock.advanceMs(0)
    hand(11, 11)
    await clock.advanceMs(49)
    expect(actor.acknowledged).toBe(10)
    await clock.advanceMs(1)
    hand(12, 12)
    await actor.flush()
    expect(actor.acknowledged).toBe(12)
    expect(['rows', 'bytes', 'age', 'close'].map(batches)).toEqual([1, 1, 1, 1])
  })

  test('never have more rows than they may, nor a part of one message', async () => {
    const { actor, sink, hand } = await harness()
    await actor.open()
    hand(0, 12, 3)
    await actor.flush()
    expect(sink.tried.map(({ id, rows }) => [id, rows.length])).toEqual([
      ['0:0-2', 9],
      ['0:3-5', 9],
      ['0:6-8', 9],
      ['0:9-11', 9],
      ['0:12-12', 3],
    ])
  })

  test('grow while the store is busy', async () => {
    const { actor, sink, hand, clock } = await harness()
    await actor.open()
    let open = (): void => {}
    sink.gate = new Promise((resolve) => (open = resolve))
    hand(0, 0)
    await clock.advanceMs(50)
    hand(1, 3)
    await clock.advanceMs(50)
    hand(4, 6)
    await clock.advanceMs(50)
    open()
    await clock.advanceMs(0)
    expect(sink.tried.map((batch) => batch.id)).toEqual(['0:0-0', '0:1-6'])
  })

  test('one timer at most waits for the age', async () => {
    const { actor, hand, clock } = await harness()
    await actor.open()
    for (let offset = 0; offset < 9; offset++) hand(offset, offset)
    expect(clock.waiting).toBe(1)
  })
})

describe('ranges without rows', () => {
  test('are settled at once and written seldom', async () => {
    const { actor, sink, clock, batches } = await harness()
    await actor.open()
    const heard: number[] = []
    actor.onAcknowledged(() => heard.push(actor.settled))
    actor.advance(10)
    expect([actor.settled, actor.acknowledged]).toEqual([10, -1])
    await clock.advanceMs(4_999)
    actor.advance(20)
    expect(sink.tried).toEqual([])
    await clock.advanceMs(1)
    expect(sink.tried.map((batch) => batch.id)).toEqual(['0:0-20'])
    expect([actor.settled, actor.acknowledged, batches('progress')]).toEqual([20, 20, 1])
    expect(heard).toEqual([10, 20, 20])
    await clock.advanceMs(60_000)
    expect(sink.tried).toHaveLength(1)
  })

  test('settle nothing while rows before them are not stored', async () => {
    const { actor, hand, clock } = await harness()
    await actor.open()
    hand(0, 2)
    actor.advance(9)
    expect(actor.settled).toBe(-1)
    await clock.advanceMs(50)
    expect(actor.settled).toBe(9)
  })

  test('are written by a flush, so that nothing is replayed after a clean stop', async () => {
    const { actor, store } = await harness()
    await actor.open()
    actor.advance(33)
    await actor.flush()
    expect(store.acknowledged.get(0)).toBe(33)
  })
})

describe('acknowledging', () => {
  test('never goes over a batch that is not written, though a later one is', async () => {
    const { actor, sink, hand, clock } = await harness({ inFlightMax: 2 })
    await actor.open()
    sink.faults.push('hang')
    hand(0, 9)
    hand(10, 19)
    hand(20, 29)
    await clock.advanceMs(20_000)
    expect(sink.tried.map((batch) => batch.id)).toEqual(['0:0-9', '0:10-19'])
    expect(actor.acknowledged).toBe(-1)
    expect(actor.lagRows).toBe(30)
    await clock.advanceMs(20_000)
    expect(actor.acknowledged).toBe(29)
    expect(sink.writingMax).toBe(2)
  })

  test('tells listeners until they leave', async () => {
    const { actor, hand, clock } = await harness()
    await actor.open()
    const heard: number[] = []
    const leave = actor.onAcknowledged((acknowledged) => heard.push(acknowledged))
    hand(0, 9)
    await clock.advanceMs(0)
    leave()
    hand(10, 19)
    await clock.advanceMs(0)
    expect(heard).toEqual([9])
  })

  test('goes on when a listener throws', async () => {
    const { actor, hand, clock, said } = await harness()
    await actor.open()
    const leave = actor.onAcknowledged(() => {
      throw new Error('listener')
    })
    hand(0, 9)
    await clock.advanceMs(0)
    expect(said('a listener of the sink failed')).toBe(1)
    leave()
    hand(10, 19)
    await clock.advanceMs(0)
    expect(actor.acknowledged).toBe(19)
  })

  test('observes for each row how long it took since its receipt', async () => {
    const { actor, hand, clock, telemetry } = await harness()
    await actor.open()
    hand(0, 3)
    await clock.advanceMs(30)
    hand(4, 4)
    await clock.advanceMs(20)
    const took = telemetry.histogram('orrery_sink_queryable_ms', '', LABELS)
    expect([took.count, took.sum, took.quantile(1)]).toEqual([5, 4 * 50 + 20, 50])
  })
})

describe('bounds', () => {
  test('the actor is full at its bound, in flight included, and says when there is room', async () => {
    const { actor, sink, hand, clock } = await harness({ bounds: { bufferRowsMax: 20 } })
    await actor.open()
    let open = (): void => {}
    sink.gate = new Promise((resolve) => (open = resolve))
    let rooms = 0
    actor.onRoom(() => rooms++)
    hand(0, 18)
    expect([actor.full, actor.lagRows]).toEqual([false, 19])
    hand(19, 19)
    expect([actor.full, actor.lagRows, actor.bytesBuffered]).toEqual([true, 20, 200])
    await clock.advanceMs(1_000)
    expect([actor.full, rooms]).toEqual([true, 0])
    open()
    await clock.advanceMs(0)
    expect([actor.full, rooms, actor.lagRows]).toEqual([false, 1, 0])
  })

  test('bytes count as rows do', async () => {
    const { actor } = await harness({ bounds: { bufferBytesMax: 5_000 } })
    await actor.open()
    actor.accept(0, '0.0', 4_999, 0)
    expect(actor.full).toBe(false)
    actor.accept(1, '1.0', 1, 0)
    expect(actor.full).toBe(true)
  })

  test('the age of the oldest row is known', async () => {
    const { actor, sink, hand, clock } = await harness()
    await actor.open()
    sink.gate = new Promise(() => {})
    const startMs = clock.nowMs()
    expect([actor.oldestUnackedMs, actor.lagMs]).toEqual([null, 0])
    hand(0, 9)
    await clock.advanceMs(700)
    hand(10, 19)
    expect([actor.oldestUnackedMs, actor.lagMs]).toEqual([startMs, 700])
  })
})

describe('a write that fails', () => {
  test('is tried again with the same batch until the store has it', async () => {
    const { actor, sink, store, hand, clock, said } = await harness()
    await actor.open()
    const faults = Array.from({ length: 30 }, (): Fault => 'retriable')
    sink.faults.push(...faults)
    hand(0, 9)
    await clock.advanceMs(1_000)
    expect(actor.health().status).toBe('degraded')
    expect(actor.health().detail).toContain('fault: retriable')
    expect(said('batch not written, trying again')).toBe(1)
    await clock.advanceMs(600_000)
    expect(store.rows).toEqual(rowsOf(0, 9))
    expect(sink.tried).toHaveLength(31)
    expect(new Set(sink.tried).size).toBe(1)
    expect(actor.health().status).toBe('healthy')
    const again = said('batch not written, trying again')
    expect(again).toBeGreaterThan(2)
    expect(again).toBeLessThan(12)
    expect(said('sink recovered')).toBe(1)
  })

  test('in another way than before is logged at once', async () => {
    const { actor, sink, hand, clock, said } = await harness()
    await actor.open()
    sink.faults.push('retriable', 'refused')
    hand(0, 9)
    await clock.advanceMs(1_000)
    expect(said('batch not written, trying again')).toBe(1)
    expect(said('batch refused by the store, trying again seldom')).toBe(1)
  })

  test('for good is unhealthy, tried seldom, and acknowledged when a person has mended the store', async () => {
    const { actor, sink, hand, clock, said } = await harness()
    await actor.open()
    const faults = Array.from({ length: 4 }, (): Fault => 'refused')
    sink.faults.push(...faults)
    hand(0, 9)
    await clock.advanceMs(7_000)
    expect(sink.tried).toHaveLength(1)
    expect(actor.health().status).toBe('unhealthy')
    expect(said('batch refused by the store, trying again seldom')).toBe(1)
    await clock.advanceMs(60_000)
    expect(actor.health().status).toBe('healthy')
    expect(actor.acknowledged).toBe(9)
  })

  test('with an unknown outcome is stored once', async () => {
    const { actor, sink, store, hand, clock } = await harness()
    await actor.open()
    sink.faults.push('written but unknown', 'crash')
    hand(0, 9)
    await clock.advanceMs(10_000)
    expect(store.rows).toEqual(rowsOf(0, 9))
    expect(actor.acknowledged).toBe(9)
  })

  test('to answer in time is aborted and tried again', async () => {
    const { actor, sink, hand, clock } = await harness({ bounds: { writeMsMax: 3_000 } })
    await actor.open()
    sink.faults.push('hang')
    hand(0, 9)
    await clock.advanceMs(2_999)
    expect(actor.health().status).toBe('healthy')
    await clock.advanceMs(1)
    expect(actor.health().detail).toContain('no answer within 3000 ms')
    await clock.advanceMs(200)
    expect(actor.acknowledged).toBe(9)
  })

  test('to end though aborted is not overtaken by its own repetition', async () => {
    const { actor, sink, store, hand, clock } = await harness({ bounds: { writeMsMax: 3_000 } })
    await actor.open()
    let open = (): void => {}
    sink.gate = new Promise((resolve) => (open = resolve))
    hand(0, 9)
    await clock.advanceMs(60_000)
    expect(actor.health().status).toBe('degraded')
    expect(sink.writingMax).toBe(1)
    open()
    await clock.advanceMs(1_000)
    expect(sink.writingMax).toBe(1)
    expect(store.rows).toEqual(rowsOf(0, 9))
    expect(actor.acknowledged).toBe(9)
  })
})

describe('closing', () => {
  test('flushes, closes the sink and leaves no timer', async () => {
    const { actor, sink, store, hand, clock } = await harness()
    await actor.open()
    hand(0, 24)
    expect(await actor.close(10_000)).toBe(true)
    expect(store.rows).toEqual(rowsOf(0, 24))
    expect([sink.closed, clock.waiting]).toEqual([true, 0])
    expect(await actor.close(1)).toBe(true)
    expect(() => actor.accept(25, '25.0', 10, 0)).toThrow('not open')
  })

  test('gives up when its time is over, and says that something is left', async () => {
    const { actor, sink, hand, clock } = await harness()
    await actor.open()
    sink.faults.push('hang')
    hand(0, 3)
    const flushed = actor.flush().catch((thrown: Error) => thrown.message)
    const closed = actor.close(5_000)
    await clock.advanceMs(5_000)
    expect(await closed).toBe(false)
    expect(await flushed).toBe('sink memory closes')
    expect([sink.closed, clock.waiting]).toEqual([true, 0])
  })

  test('a sink that was never opened is closed too', async () => {
    const { actor, sink } = await harness()
    await actor.close(1_000)
    expect(sink.closed).toBe(true)
  })
})
