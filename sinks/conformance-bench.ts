import { expect } from 'bun:test'

import type { Batch, Sink } from './sink.ts'

/**
 * One empty store with a sink over it, as a suite's case gets it. A fingerprint is a text that names
 * one stored fact with as much of its content as the store gives back: `[offset, part, text]` as JSON.
 */
export type SinkUnderTest<Row> = Readonly<{
  sink: Sink<Row>
  /** Leaves the sink in use as a killed process would, and gives a new one, not opened, over the same store. */
  reopen(): Promise<Sink<Row>>
  /** Fingerprints of all that the store holds now, in any order, doubles included: as a plain query sees it. */
  readBack(): Promise<readonly string[]>
  /**
   * Rows of the messages from `offsetFirst` to `offsetLast`. What a message makes depends on its offset
   * and the seed alone, so that a range may be cut anywhere. Each string that may hold any text holds
   * `text` when it is given, and its fingerprint shows it.
   */
  rowsFor(offsetFirst: number, offsetLast: number, seed: number, text?: string): readonly Row[]
  /** One row may hold several facts. */
  fingerprints(row: Row): readonly string[]
  /** The next write stops for good at a named point, as in a crash, and rejects. */
  crashAt?(point: string): void
  cleanup(): Promise<void>
}>

/** A signal that nobody aborts. */
export const signal = (): AbortSignal => new AbortController().signal

/** A store under test with the words that the cases use. */
export class SinkBench<Row> {
  readonly under: SinkUnderTest<Row>
  sink: Sink<Row>

  constructor(under: SinkUnderTest<Row>) {
    this.under = under
    this.sink = under.sink
  }

  open(partition = 0): Promise<number> {
    return this.sink.open(partition, signal())
  }

  async reopen(partition = 0): Promise<number> {
    this.sink = await this.under.reopen()
    return this.open(partition)
  }

  batch(first: number, last: number): Batch<Row> {
    return batchOf(first, last, this.under.rowsFor(first, last, 1))
  }

  write(first: number, last: number): Promise<void> {
    return this.sink.write(this.batch(first, last), signal())
  }

  writeEmpty(first: number, last: number): Promise<void> {
    return this.sink.write(batchOf(first, last, []), signal())
  }

  async crash(point: string, first: number, last: number): Promise<void> {
    this.under.crashAt?.(point)
    expect(await rejection(this.write(first, last))).not.toBeNull()
  }

  async readBack(): Promise<readonly string[]> {
    return [...(await this.under.readBack())].sort()
  }

  /** Pairs of first and last offset: exactly their facts are stored, each once. */
  async expectStored(...ranges: readonly number[]): Promise<void> {
    const expected: string[] = []
    for (let at = 0; at < ranges.length; at += 2) {
      const rows = this.under.rowsFor(ranges[at] ?? 0, ranges[at + 1] ?? 0, 1)
      for (const row of rows) expected.push(...this.under.fingerprints(row))
    }
    expect(await this.readBack()).toEqual(expected.sort())
  }

  async cleanup(): Promise<void> {
    await this.sink.close().catch(() => {})
    await this.under.cleanup()
  }
}

/** A batch of partition 0. */
export function batchOf<Row>(
  offsetFirst: number,
  offsetLast: number,
  rows: readonly Row[],
): Batch<Row> {
  return { id: `0:${offsetFirst}-${offsetLast}`, partition: 0, offsetFirst, offsetLast, rows }
}

/** What a promise rejects with, or null when it resolves. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => null,
    (thrown: unknown) => thrown,
  )
}
