import { expect, test } from 'bun:test'

import fc from 'fast-check'

import { seededRandom, VirtualClock } from '../actors/kernel/clock.ts'
import { silentLog, Telemetry } from '../actors/kernel/telemetry.ts'
import { SinkActor } from './sink-actor.ts'
import { type Fault, MemorySink, MemoryStore, TEST_LIMITS } from './testing.ts'

type Row = `${number}.${number}`

/** How many rows each message makes: none, one, some, more than a batch. */
const ROWS_OF = [0, 1, 2, 0, 0, 13, 3, 0, 0, 0, 1, 1]
const rowsOf = (offset: number): Row[] =>
  Array.from(
    { length: ROWS_OF[offset % ROWS_OF.length] ?? 0 },
    (_, part): Row => `${offset}.${part}`,
  )

const FAULTS: readonly Fault[] = ['retriable', 'refused', 'hang', 'written but unknown', 'crash']

const step = fc.oneof(
  fc.record({ do: fc.constant('hand' as const), messages: fc.nat(15), deferred: fc.boolean() }),
  fc.record({ do: fc.constant('wait' as const), ms: fc.nat(7_000) }),
  fc.record({ do: fc.constant('fault' as const), fault: fc.constantFrom(...FAULTS) }),
  fc.record({ do: fc.constant('kill' as const) }),
)

/** The journal's side: what was handed over, and once more from the store's offset after a kill. */
class Run {
  readonly clock = new VirtualClock()
  readonly store = new MemoryStore<Row>()
  /** Offsets that were acknowledged before the store had them. */
  readonly wrong: number[] = []
  next = 0
  actor: SinkActor<Row>
  #sink: MemorySink<Row>
  readonly #inFlightMax: number

  constructor(inFlightMax: number) {
    this.#inFlightMax = inFlightMax
    this.#sink = this.#makeSink()
    this.actor = this.#makeActor()
  }

  fault(fault: Fault): void {
    this.#sink.faults.push(fault)
  }

  async kill(): Promise<void> {
    this.#sink.gate = new Promise(() => {})
    this.#sink = this.#makeSink()
    this.actor = this.#makeActor()
    const opened = await this.actor.open()
    expect(opened).toBe(this.store.acknowledged.get(0) ?? -1)
    const upTo = this.next
    // As with several sinks: the replay begins where the slowest is, not where this one is.
    this.next = Math.max(0, opened - 5)
    this.hand(upTo - this.next, false)
  }

  hand(messages: number, deferred: boolean): void {
    const offsets = Array.from({ length: messages }, (_, at) => this.next + at)
    this.next += messages
    // Deferred: the first message's rows come last, and the watermark waits for it.
    const order = deferred ? [...offsets.slice(1), ...offsets.slice(0, 1)] : offsets
    for (const offset of order) {
      for (const row of rowsOf(offset)) this.actor.accept(offset, row, 30, this.clock.nowMs())
      if (!deferred) this.actor.advance(offset)
    }
    this.actor.advance(this.next - 1)
  }

  #makeSink(): MemorySink<Row> {
    return new MemorySink<Row>(this.store, (row) => row, {
      ...TEST_LIMITS,
      inFlightMax: this.#inFlightMax,
    })
  }

  #makeActor(): SinkActor<Row> {
    const { clock, store } = this
    const actor = new SinkActor<Row>({
      sink: this.#sink,
      partition: 0,
      clock,
      random: seededRandom(7),
      log: silentLog,
      telemetry: new Telemetry(),
    })
    actor.onAcknowledged((acknowledged) => {
      if (actor !== this.actor) return
      if ((store.acknowledged.get(0) ?? -1) < acknowledged) this.wrong.push(acknowledged)
      if (actor.settled < acknowledged || actor.settled > actor.watermark) this.wrong.push(-1)
    })
    return actor
  }
}

for (const inFlightMax of [1, 3]) {
  test(`each row is stored once after any faults, kills and cuts, ${inFlightMax} in flight`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const run = new Run(inFlightMax)
        await run.actor.open()
        for (const next of steps) {
          if (next.do === 'hand') run.hand(next.messages, next.deferred)
          else if (next.do === 'wait') await run.clock.advanceMs(next.ms)
          else if (next.do === 'fault') run.fault(next.fault)
          else await run.kill()
        }
        const flushed = run.actor.flush()
        await run.clock.advanceMs(3_600_000)
        await flushed
        const expected = Array.from({ length: run.next }, (_, offset) => rowsOf(offset)).flat()
        expect(run.store.rows.toSorted()).toEqual(expected.toSorted())
        expect(run.wrong).toEqual([])
        expect(run.actor.acknowledged).toBe(run.next - 1)
        expect(run.actor.settled).toBe(run.next - 1)
        expect([run.actor.lagRows, run.actor.bytesBuffered]).toEqual([0, 0])
        expect(await run.actor.close(1_000)).toBe(true)
      }),
      { numRuns: 300 },
    )
  })
}
