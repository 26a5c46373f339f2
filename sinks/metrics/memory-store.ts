import { messageOf } from '../../actors/kernel/errors.ts'
import { SinkError } from '../sink.ts'
import { decodeDocument, encodeDocument } from './codec.ts'
import type { Counts } from './counts.ts'
import { Ledger } from './ledger.ts'
import type { MetricsChange, MetricsState, MetricsStore } from './store.ts'

/** Small named values that are durable when saved; the state store has this shape. */
export interface Marks {
  saveMark(name: string, value: Uint8Array): Promise<void>
  loadMark(name: string): Uint8Array | null
}

/** Minutes that the head may hold before all are written anew; some 10 KB. */
const HEAD_MINUTES_MAX = 240

type Held = {
  readonly ledger: Ledger
  generation: number
  /** Minutes that differ from the base, as they are now. */
  changed: Map<number, Counts>
}

/**
 * Counts in memory, durable through two marks a partition: a base with all minutes, seldom written, and
 * a head with the fence, the totals and the minutes changed since. Writing the head is the atomic step;
 * two bases take turns, so that the one in use is never written over.
 */
export class MemoryMetricsStore implements MetricsStore {
  readonly #marks: Marks
  readonly #headMinutesMax: number
  readonly #held = new Map<number, Held>()
  readonly #turns = new Map<number, Promise<unknown>>()

  constructor(marks: Marks, headMinutesMax = HEAD_MINUTES_MAX) {
    this.#marks = marks
    this.#headMinutesMax = headMinutesMax
  }

  load(partition: number, signal: AbortSignal): Promise<MetricsState> {
    return this.#inTurn(partition, signal, async () => new Ledger(this.#hold(partition).ledger))
  }

  apply(change: MetricsChange, signal: AbortSignal): Promise<boolean> {
    return this.#inTurn(change.partition, signal, () => this.#apply(change))
  }

  // One step at a time for each partition: what lies between the look and the mark is not shared.
  #inTurn<T>(partition: number, signal: AbortSignal, step: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(partition) ?? Promise.resolve()
    const turn = before.then(() => {
      if (!signal.aborted) return step()
      throw new SinkError('aborted', { retriable: true, cause: signal.reason })
    })
    this.#turns.set(
      partition,
      turn.catch(() => {}),
    )
    return turn
  }

  async #apply(change: MetricsChange): Promise<boolean> {
    const { partition } = change
    const held = this.#hold(partition)
    if (held.ledger.offset !== change.fenceFrom) return false
    // Until the marks are written, what is held may be old: whoever comes after a failure looks again.
    this.#held.delete(partition)
    held.ledger.apply(change)
    for (const [minute, counts] of change.minutes) held.changed.set(minute, counts)
    for (const minute of held.changed.keys()) {
      if (minute < change.expireBefore) held.changed.delete(minute)
    }
    try {
      await this.#save(partition, held)
    } catch (cause) {
      const message = `metrics are not saved: ${messageOf(cause)}`
      throw new SinkError(message, { retriable: true, cause })
    }
    this.#held.set(partition, held)
    return true
  }

  async #save(partition: number, held: Held): Promise<void> {
    const { offset, totals, minutes } = held.ledger
    if (held.changed.size > this.#headMinutesMax) {
      held.generation++
      held.changed = new Map()
      const base = { generation: held.generation, offset, totals, minutes }
      await this.#marks.saveMark(baseName(partition, held.generation), encodeDocument(base))
    }
    const head = { generation: held.generation, offset, totals, minutes: held.changed }
    await this.#marks.saveMark(headName(partition), encodeDocument(head))
  }

  #hold(partition: number): Held {
    const held = this.#held.get(partition) ?? this.#read(partition)
    this.#held.set(partition, held)
    return held
  }

  #read(partition: number): Held {
    const name = headName(partition)
    try {
      const bytes = this.#marks.loadMark(name)
      if (!bytes) return { ledger: Ledger.empty(), generation: 0, changed: new Map() }
      const { generation, offset, totals, minutes: changed } = decodeDocument(bytes)
      const minutes = new Map([...this.#readBase(partition, generation), ...changed])
      const ledger = new Ledger({ offset, totals, minutes })
      return { ledger, generation, changed: new Map(changed) }
    } catch (cause) {
      const message = `metrics cannot be read from ${name}: ${messageOf(cause)}`
      throw new SinkError(message, { retriable: false, cause })
    }
  }

  #readBase(partition: number, generation: number): ReadonlyMap<number, Counts> {
    if (generation === 0) return new Map()
    const bytes = this.#marks.loadMark(baseName(partition, generation))
    const base = bytes && decodeDocument(bytes)
    if (base?.generation === generation) return base.minutes
    throw new Error(`base ${generation} is missing`)
  }
}

function headName(partition: number): string {
  return `metrics-${partition}-head`
}

function baseName(partition: number, generation: number): string {
  return `metrics-${partition}-base-${generation % 2}`
}
