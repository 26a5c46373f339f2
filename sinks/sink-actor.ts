import type { Clock, Random } from '../actors/kernel/clock.ts'
import { assert, messageOf } from '../actors/kernel/errors.ts'
import type { Histogram, Log, Telemetry } from '../actors/kernel/telemetry.ts'
import { type BatcherLimits, dueAtMs, dueTrigger, type OpenRange, type Trigger } from './batcher.ts'
import { Flights } from './flights.ts'
import { Progress } from './progress.ts'
import { retry, settleWithin } from './retry.ts'
import { RowBuffer } from './row-buffer.ts'
import { boundsFor, type SinkBounds } from './sink-bounds.ts'
import { SinkTelemetry } from './sink-telemetry.ts'
import { type Sink, SinkError } from './sink.ts'

/** What a sink actor is made of. */
export type SinkActorOptions<Row> = Readonly<{
  sink: Sink<Row>
  partition: number
  clock: Clock
  random: Random
  log: Log
  telemetry: Telemetry
  bounds?: Partial<SinkBounds>
  /** Hears that the store refuses this writer for good (SinkFenced): its batch is not tried again. */
  fenced?: (message: string) => void
}>

/** A sink's state as `/health` shows it. */
export type SinkHealth = Readonly<{ status: 'healthy' | 'degraded' | 'unhealthy'; detail: string }>

/** After the last flush was given up, a write gets this long to see its signal. */
const STOP_MS_MAX = 1_000

/**
 * Joins one sink to the facts of one partition: buffers rows, closes batches, writes them in offset
 * order and moves the acknowledged offset only over what the store has.
 */
export class SinkActor<Row> {
  readonly name: string
  readonly partition: number
  readonly bounds: SinkBounds
  /** From the receipt of a message to its row being seen by a query. */
  readonly queryableMs: Histogram
  /** True when the bound on rows or bytes is reached: hand nothing more over until `onRoom` calls. */
  full = false
  readonly #options: SinkActorOptions<Row>
  readonly #limits: BatcherLimits
  readonly #buffer = new RowBuffer<Row>()
  readonly #flights: Flights<Row>
  readonly #progress = new Progress()
  readonly #onRoom = new Set<() => void>()
  readonly #opening = new AbortController()
  #state: 'new' | 'open' | 'closed' = 'new'
  #flushTo = -1
  // A row at or below the floor is not taken: it is stored, or its range was handed over.
  #floor = Infinity
  #opened = -1
  #watermark = -1
  #closedTo = -1
  #sinceMs = 0
  #closedMs = 0
  #closing: Promise<boolean> | null = null
  #timer: { dueMs: number; cancel: () => void } | null = null

  constructor(options: SinkActorOptions<Row>) {
    const { sink, partition, clock, random, log } = options
    this.#options = options
    this.name = sink.name
    this.partition = partition
    this.bounds = boundsFor(sink.limits, options.bounds ?? {})
    this.#limits = { ...sink.limits, progressMsMax: this.bounds.progressMsMax }
    const telemetry = new SinkTelemetry(options.telemetry, this)
    this.queryableMs = telemetry.queryableMs
    const { backoff, writeMsMax, failureLogMs } = this.bounds
    const onLanded = (acknowledged: number | null): void => this.#landed(acknowledged)
    const parts = { ...{ sink, partition, clock, random, log, telemetry }, onLanded }
    const told = options.fenced ? { onFenced: options.fenced } : {}
    this.#flights = new Flights({ ...parts, backoff, writeMsMax, failureLogMs, ...told })
  }

  /** Prepares the store; the offset up to which it has everything. Tries again, for `openMsMax`, what may pass. */
  async open(): Promise<number> {
    assert(this.#state === 'new', `sink ${this.name} is opened once`)
    const { sink, partition, clock, random, log } = this.#options
    const { backoff, openMsMax } = this.bounds
    const { signal } = this.#opening
    const late = new SinkError(`no answer within ${openMsMax} ms`, { retriable: true })
    const cancel = clock.after(openMsMax, () => this.#opening.abort(late))
    const judge = (thrown: unknown): 'again' | 'stop' => {
      log.warn({ sink: this.name, partition, error: messageOf(thrown) }, 'sink does not open')
      return thrown instanceof SinkError && thrown.retriable ? 'again' : 'stop'
    }
    const pace = { clock, random, backoff, deadlineMs: openMsMax, signal, judge }
    const opened = await retry(() => sink.open(partition, signal), pace).finally(cancel)
    signal.throwIfAborted()
    this.#opened = this.#floor = this.#watermark = this.#closedTo = opened
    this.#progress.begin(opened)
    this.#closedMs = clock.monotonicMs()
    this.#state = 'open'
    return opened
  }

  /**
   * Takes a row made by message `offset`, which must be above the watermark; a row that the store had
   * when it was opened is dropped. Never refuses: look at `full` before handing over more.
   */
  accept(offset: number, row: Row, bytes: number, receivedMs: number): void {
    if (offset <= this.#floor) return this.#pass(offset)
    this.#buffer.push(offset, row, bytes, receivedMs)
    if (
      this.#buffer.rows + this.#flights.rows >= this.bounds.bufferRowsMax ||
      this.#buffer.bytes + this.#flights.bytes >= this.bounds.bufferBytesMax
    ) {
      this.full = true
    }
  }

  /** Everything up to and including `offset` has been handed over. A lower one than before changes nothing. */
  advance(offset: number): void {
    assert(this.#state === 'open', `sink ${this.name} is not open`)
    if (offset <= this.#watermark) return
    const nowMs = this.#options.clock.monotonicMs()
    if (this.#buffer.covered === 0) this.#sinceMs = nowMs
    this.#watermark = this.#floor = offset
    this.#buffer.cover(offset)
    this.#closeDue(nowMs, nowMs)
    this.#moved(this.acknowledged)
  }

  /** Stored up to here, durably: what `open` would return after a crash. Snapshots and trimming go by this one. */
  get acknowledged(): number {
    return this.#progress.acknowledged
  }

  /** At least `acknowledged`: up to here everything is stored or there was nothing to store; forgotten in a crash. */
  get settled(): number {
    return this.#progress.settled
  }

  /** The highest offset that was handed over. */
  get watermark(): number {
    return this.#watermark
  }

  /** Calls with the acknowledged offset each time that it or `settled` has moved; the result unsubscribes. */
  onAcknowledged(call: (acknowledged: number) => void): () => void {
    return this.#progress.listen(call)
  }

  /** Calls each time that `full` turns false; the result unsubscribes. */
  onRoom(call: () => void): () => void {
    this.#onRoom.add(call)
    return () => this.#onRoom.delete(call)
  }

  /** Rows accepted and not acknowledged, for who must see what the store does not show yet. */
  *unacknowledged(): Iterable<Row> {
    yield* this.#flights.all()
    yield* this.#buffer.all()
  }

  /** How many these are. */
  get lagRows(): number {
    return this.#buffer.rows + this.#flights.rows
  }

  /** Bytes of these rows. */
  get bytesBuffered(): number {
    return this.#buffer.bytes + this.#flights.bytes
  }

  /** Batches started and not acknowledged. */
  get inFlight(): number {
    return this.#flights.count
  }

  /** Wall-clock time at which the oldest of these rows was received; null when there are none. */
  get oldestUnackedMs(): number | null {
    const oldestMs = Math.min(this.#buffer.oldestMs ?? Infinity, this.#flights.oldestMs ?? Infinity)
    return oldestMs === Infinity ? null : oldestMs
  }

  /** How long the oldest of these rows has been waiting since it was received; 0 when there are none. */
  get lagMs(): number {
    const nowMs = this.#options.clock.nowMs()
    return Math.max(0, nowMs - (this.oldestUnackedMs ?? nowMs))
  }

  health(): SinkHealth {
    if (this.#state !== 'open') return { status: 'unhealthy', detail: `not open (${this.#state})` }
    const behind = `stored up to offset ${this.acknowledged}, ${this.lagRows} rows behind`
    const failure = this.#flights.failure
    if (!failure) return { status: 'healthy', detail: behind }
    const status = failure.retriable ? 'degraded' : 'unhealthy'
    return { status, detail: `${failure.message} (failed ${failure.attempts} times); ${behind}` }
  }

  /** Writes everything handed over so far, a range without rows too; resolves when it is acknowledged. */
  flush(): Promise<void> {
    assert(this.#state === 'open', `sink ${this.name} is not open`)
    const flushed = this.#progress.until(this.#watermark)
    this.#flushTo = this.#watermark
    this.#closeDue(this.#options.clock.monotonicMs())
    return flushed
  }

  /** Flushes for at most `withinMs`, then gives up, and closes the sink; true when everything was stored. */
  close(withinMs: number): Promise<boolean> {
    this.#closing ??= this.#close(withinMs)
    return this.#closing
  }

  async #close(withinMs: number): Promise<boolean> {
    const { sink, log, partition, clock } = this.#options
    const flushed = this.#state === 'open' ? this.flush().catch(() => {}) : Promise.resolve()
    await settleWithin(clock, withinMs, flushed)
    this.#state = 'closed'
    this.#floor = Infinity
    this.#timer?.cancel()
    const closing = new SinkError(`sink ${this.name} closes`, { retriable: true })
    this.#opening.abort(closing)
    this.#progress.giveUp(closing)
    await settleWithin(clock, STOP_MS_MAX, this.#flights.stop())
    try {
      await sink.close()
    } catch (thrown) {
      log.error({ sink: this.name, partition, error: messageOf(thrown) }, 'sink does not close')
    }
    return this.acknowledged >= this.#watermark
  }

  #pass(offset: number): void {
    assert(this.#state === 'open', `sink ${this.name} is not open`)
    assert(offset <= this.#opened, `a row of ${offset} came after its range was handed over`)
  }

  #openRange(): OpenRange {
    return {
      offsets: this.#watermark - this.#closedTo,
      rows: this.#buffer.covered,
      bytes: this.#buffer.coveredBytes,
      sinceMs: this.#sinceMs,
      closedMs: this.#closedMs,
      closing: this.#flushTo > this.#closedTo,
    }
  }

  // What a batch leaves over has come just now (`leftSinceMs`), or keeps its age and is due sooner.
  #closeDue(nowMs: number, leftSinceMs = this.#sinceMs): void {
    while (this.#flights.free) {
      const trigger = dueTrigger(this.#openRange(), this.#limits, nowMs)
      if (!trigger) break
      this.#launch(trigger, nowMs)
      this.#sinceMs = leftSinceMs
    }
    if (this.#flights.free) this.#wakeAt(dueAtMs(this.#openRange(), this.#limits), nowMs)
  }

  #launch(trigger: Trigger, nowMs: number): void {
    const { partition } = this.#options
    const taken = this.#buffer.take(this.#limits, this.#watermark)
    const { rows, offsetLast, bytes, receivedMs } = taken
    const offsetFirst = this.#closedTo + 1
    const id = `${partition}:${offsetFirst}-${offsetLast}`
    this.#closedTo = offsetLast
    this.#closedMs = nowMs
    const batch = { id, partition, offsetFirst, offsetLast, rows }
    this.#flights.launch(batch, { trigger, bytes, receivedMs })
  }

  // One timer at most; one that fires too early looks again.
  #wakeAt(dueMs: number, nowMs: number): void {
    if (dueMs === Infinity || (this.#timer && this.#timer.dueMs <= dueMs)) return
    this.#timer?.cancel()
    const wake = (): void => {
      this.#timer = null
      this.#closeDue(this.#options.clock.monotonicMs())
    }
    this.#timer = { dueMs, cancel: this.#options.clock.after(dueMs - nowMs, wake) }
  }

  #landed(acknowledged: number | null): void {
    if (this.#state !== 'open') return
    this.#closeDue(this.#options.clock.monotonicMs())
    this.#moved(acknowledged ?? this.acknowledged)
    this.#makeRoom()
  }

  #moved(acknowledged: number): void {
    const nothingOpen = this.#flights.count === 0 && this.#buffer.covered === 0
    this.#progress.move(acknowledged, nothingOpen ? this.#watermark : acknowledged)
  }

  // A quarter of the room at least, or the sender would stop and go for every batch.
  #makeRoom(): void {
    const { bufferRowsMax, bufferBytesMax } = this.bounds
    const low = this.lagRows <= bufferRowsMax * 0.75 && this.bytesBuffered <= bufferBytesMax * 0.75
    if (!this.full || !low) return
    this.full = false
    for (const call of this.#onRoom) call()
  }
}
