import type { Clock, Random } from '../actors/kernel/clock.ts'
import { messageOf } from '../actors/kernel/errors.ts'
import type { Log } from '../actors/kernel/telemetry.ts'
import { type About, type Failure, Flight } from './flight.ts'
import type { Backoff } from './retry.ts'
import type { SinkTelemetry } from './sink-telemetry.ts'
import type { Batch, Sink } from './sink.ts'

/** What the flights need of their sink actor. */
export type FlightsOptions<Row> = Readonly<{
  sink: Sink<Row>
  partition: number
  clock: Clock
  random: Random
  log: Log
  telemetry: SinkTelemetry
  backoff: Backoff
  writeMsMax: number
  failureLogMs: number
  /** Hears that the store refuses this writer for good; without it such a batch is tried again, seldom. */
  onFenced?: (message: string) => void
  /** After a batch was written; with the offset up to which all are, or null when an earlier one is not. */
  onLanded(acknowledged: number | null): void
}>

/** The batches of one sink that are being written, in offset order. */
export class Flights<Row> {
  readonly #options: FlightsOptions<Row>
  readonly #running = new Set<Promise<void>>()
  #flights: Flight<Row>[] = []
  #logged: { atMs: number; retriable: boolean } | null = null
  #rows = 0
  #bytes = 0

  constructor(options: FlightsOptions<Row>) {
    this.#options = options
  }

  get rows(): number {
    return this.#rows
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Rows of the batches that are not acknowledged. */
  *all(): Iterable<Row> {
    for (const { batch } of this.#flights) yield* batch.rows
  }

  /** True while one more batch may be started. */
  get free(): boolean {
    return this.#flights.length < this.#options.sink.limits.inFlightMax
  }

  /** Batches started and not acknowledged. */
  get count(): number {
    return this.#flights.length
  }

  /** When the earliest received row in flight was received; null when there is none. */
  get oldestMs(): number | null {
    let oldestMs = Infinity
    for (const { about } of this.#flights) {
      for (const receivedMs of about.receivedMs) if (receivedMs < oldestMs) oldestMs = receivedMs
    }
    return oldestMs === Infinity ? null : oldestMs
  }

  /** The failure that matters most now: one that needs a person before one that may pass. */
  get failure(): Failure | null {
    const failures = this.#flights.flatMap((flight) => flight.failure ?? [])
    return failures.find((failure) => !failure.retriable) ?? failures[0] ?? null
  }

  /** Starts to write a batch; it follows the last one that was started. */
  launch(batch: Batch<Row>, about: About): void {
    const { sink, clock, random, backoff, writeMsMax, telemetry } = this.#options
    const flight = new Flight(batch, about, {
      sink,
      clock,
      random,
      backoff,
      writeMsMax,
      endsFenced: this.#options.onFenced !== undefined,
      onTry: (tookMs) => telemetry.writeMs.observe(tookMs),
      onFailure: (failure) => this.#report(batch, failure),
    })
    this.#flights.push(flight)
    this.#rows += batch.rows.length
    this.#bytes += about.bytes
    const landed = flight.run().then(() => {
      this.#running.delete(running)
      if (flight.written) this.#land()
    })
    // What throws here is a listener: its fault, not the store's, and no reason for the process to end.
    const running = landed.catch((thrown: unknown) => {
      const fields = { sink: sink.name, batch: batch.id, error: messageOf(thrown) }
      this.#options.log.error(fields, 'a listener of the sink failed')
    })
    this.#running.add(running)
  }

  /** Aborts what is being written; resolves when the last write has come to its end. */
  async stop(): Promise<void> {
    for (const flight of this.#flights) flight.stop()
    await Promise.all(this.#running)
  }

  // The acknowledged offset moves over the written batches at the head, never past one that is not (I2).
  #land(): void {
    const { clock, telemetry, onLanded } = this.#options
    let acknowledged: number | null = null
    for (let head = this.#flights[0]; head?.written; head = this.#flights[0]) {
      this.#flights.shift()
      this.#rows -= head.batch.rows.length
      this.#bytes -= head.about.bytes
      acknowledged = head.batch.offsetLast
      telemetry.acknowledged(head.about, clock.nowMs())
    }
    if (this.#logged !== null && this.failure === null) this.#recovered()
    onLanded(acknowledged)
  }

  #report(batch: Batch<Row>, failure: Failure): void {
    const { sink, partition, clock, log, telemetry, failureLogMs } = this.#options
    telemetry.failures.add()
    const { message: error, attempts, retriable } = failure
    if (failure.fenced) this.#options.onFenced?.(error)
    const nowMs = clock.monotonicMs()
    const logged = this.#logged
    if (logged?.retriable === retriable && nowMs - logged.atMs < failureLogMs) return
    this.#logged = { atMs: nowMs, retriable }
    const fields = { sink: sink.name, partition, batch: batch.id, error, attempts }
    if (failure.fenced && this.#options.onFenced)
      log.warn(fields, 'batch refused: not ours any more')
    else if (retriable) log.warn(fields, 'batch not written, trying again')
    else log.error(fields, 'batch refused by the store, trying again seldom')
  }

  #recovered(): void {
    this.#logged = null
    const { sink, partition, log } = this.#options
    log.info({ sink: sink.name, partition }, 'sink recovered')
  }
}
