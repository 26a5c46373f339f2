import type { Clock } from '../actors/kernel/clock.ts'
import type { Counter, Telemetry } from '../actors/kernel/telemetry.ts'
import type { LiveKpi } from '../actors/model/live.ts'
import { errorResponse, retryAfter } from './http-error.ts'
import { Viewer } from './live-viewer.ts'
import type { GatewayOptions } from './options.ts'
import type { DeltaFeed, Sequenced, Watching } from './ports.ts'

const TEXT = new TextEncoder()
const HEARTBEAT = TEXT.encode(':\n\n')
/** How soon a browser connects again after a cut. */
const GREETING = TEXT.encode('retry: 1000\n\n')
const RETRY_FULL_MS = 10_000
/** A connection that is given up has this long to take its end. */
const LAST_WORDS_S = 1
/** How soon a sign-out ends a stream. */
const LOOK_MS = 1_000

/** What the stream asks of the request it answers. */
export type LiveRequest = Readonly<{
  /** The last event that this reader has seen, or null. */
  lastEventId: string | null
  /** Asked each second: a sign-out ends the stream. */
  stillViews: () => boolean
  timeout: (seconds: number) => void
}>

/** What streams are made of: their feed, and what their metrics begin with and say. */
export type LiveWorld<Delta extends object> = Readonly<{
  feed: DeltaFeed<
    object,
    Delta,
    { delta(next: Sequenced<Delta>): void; kpi(kpi: LiveKpi): void } & Watching
  >
  metrics: Readonly<{ prefix: string; of: string }>
  clock: Clock
  telemetry: Telemetry
}>

type Seat = Readonly<{ viewer: Viewer; request: LiveRequest }>

/** A feed as server-sent events, encoded once and shared by all who watch: the live map's, the regions'. */
export class LiveStreams<Delta extends object> {
  readonly #world: LiveWorld<Delta>
  readonly #options: GatewayOptions
  readonly #seats = new Map<Viewer, Seat>()
  readonly #encoded = new WeakMap<Delta, Uint8Array>()
  #snapshot: Readonly<{ id: string; kpi: Uint8Array | null; bytes: Uint8Array }> | null = null
  #kpi: Uint8Array | null = null
  #unsubscribe: () => void
  #cancelHeartbeat: (() => void) | null = null
  #cancelLook: (() => void) | null = null
  #closed = false
  readonly #droppedToLatest: Counter
  readonly #cut: Counter

  constructor(world: LiveWorld<Delta>, options: GatewayOptions) {
    this.#world = world
    this.#options = options
    const { telemetry, feed, metrics } = world
    const { prefix, of } = metrics
    telemetry.gauge(`${prefix}_viewers`, `${of} streams open`).from(() => this.#seats.size)
    telemetry
      .gauge(`${prefix}_viewers_max`, `${of} streams that may be open`)
      .set(options.viewersMax)
    telemetry
      .gauge(`${prefix}_waiting_bytes`, `${of} bytes that wait for viewers`)
      .from(() => this.waitingBytes)
    this.#droppedToLatest = telemetry.counter(
      `${prefix}_latest_only_total`,
      'Times a slow viewer was given latest values only',
    )
    this.#cut = telemetry.counter(`${prefix}_cut_total`, 'Viewers cut because they did not read')
    this.#unsubscribe = feed.subscribe({
      delta: (next) => this.#onDelta(next),
      kpi: (kpi) => this.#onKpi(kpi),
      watching: () => this.#seats.size > 0,
    })
  }

  get viewers(): number {
    return this.#seats.size
  }

  /** Bytes that wait for viewers. */
  get waitingBytes(): number {
    let bytes = 0
    for (const viewer of this.#seats.keys()) bytes += viewer.waitingBytes
    return bytes
  }

  /** A new stream: resumed after the last event seen where that is possible, else from a snapshot. */
  open(request: LiveRequest): Response {
    if (this.#closed || this.#seats.size >= this.#options.viewersMax) {
      const message = this.#closed
        ? 'the server stops'
        : `all ${this.#options.viewersMax} live streams are taken`
      return errorResponse(503, 'busy', message, retryAfter(RETRY_FULL_MS))
    }
    request.timeout(0)
    const viewer = new Viewer({
      snapshot: () => this.#snapshotNow(),
      bytesMax: this.#options.viewerBytesMax,
      nowMs: () => this.#world.clock.monotonicMs(),
      onGone: (gone) => this.#seats.delete(gone),
    })
    this.#seats.set(viewer, { viewer, request })
    this.#catchUp(viewer, request.lastEventId)
    this.#cancelHeartbeat ??= this.#beat()
    this.#cancelLook ??= this.#look()
    return new Response(viewer.stream, {
      headers: {
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-store',
        'x-accel-buffering': 'no',
      },
    })
  }

  /** Ends every stream; browsers connect again by themselves. */
  close(): void {
    this.#closed = true
    this.#unsubscribe()
    this.#cancelHeartbeat?.()
    this.#cancelLook?.()
    for (const { viewer, request } of [...this.#seats.values()]) {
      viewer.end()
      request.timeout(LAST_WORDS_S)
    }
  }

  #catchUp(viewer: Viewer, lastEventId: string | null): void {
    const missed = lastEventId === null ? null : this.#missed(lastEventId)
    // Greeting, missed deltas and figures are one piece: nothing of it can be lost to the bound.
    const figures = this.#kpi ? [this.#kpi] : []
    if (missed) viewer.push(Buffer.concat([GREETING, ...missed, ...figures]))
    else viewer.pushSnapshot()
  }

  /** Deltas after an event, encoded; null when a snapshot is due. */
  #missed(lastEventId: string): readonly Uint8Array[] | null {
    const { feed } = this.#world
    const dash = lastEventId.lastIndexOf('-')
    const seq = Number(lastEventId.slice(dash + 1))
    if (dash < 1 || lastEventId.slice(0, dash) !== feed.epoch) return null
    if (!Number.isSafeInteger(seq) || seq < 0 || seq > feed.seq) return null
    const missed = feed.since(seq)?.map((next) => this.#encode(next))
    if (!missed) return null
    const bytes = missed.reduce((sum, each) => sum + each.byteLength, 0)
    return bytes > this.#options.viewerBytesMax / 2 ? null : missed
  }

  #onDelta(next: Sequenced<Delta>): void {
    if (this.#seats.size > 0) this.#pushAll(this.#encode(next))
  }

  #onKpi(kpi: LiveKpi): void {
    this.#kpi = TEXT.encode(`event: kpi\ndata: ${JSON.stringify(kpi)}\n\n`)
    this.#pushAll(this.#kpi)
  }

  #pushAll(bytes: Uint8Array): void {
    for (const viewer of this.#seats.keys()) {
      const before = viewer.takesLatestOnly
      viewer.push(bytes)
      if (!before && viewer.takesLatestOnly) this.#droppedToLatest.add()
    }
  }

  /** Ends the streams of those who have signed out. */
  #look(): () => void {
    return this.#world.clock.after(LOOK_MS, () => {
      for (const { viewer, request } of [...this.#seats.values()]) {
        if (!request.stillViews()) giveUp(viewer, request)
      }
      this.#cancelLook = this.#seats.size > 0 ? this.#look() : null
    })
  }

  #beat(): () => void {
    return this.#world.clock.after(this.#options.heartbeatMs, () => {
      for (const { viewer, request } of [...this.#seats.values()]) {
        if (viewer.stalledMs() < this.#options.viewerStallMsMax) {
          viewer.push(HEARTBEAT)
          continue
        }
        // Closing the stream is not enough: its bytes still wait for a reader that does not read.
        giveUp(viewer, request)
        this.#cut.add()
      }
      this.#cancelHeartbeat = this.#seats.size > 0 ? this.#beat() : null
    })
  }

  #encode({ seq, delta }: Sequenced<Delta>): Uint8Array {
    const found = this.#encoded.get(delta)
    if (found) return found
    const id = `${this.#world.feed.epoch}-${seq}`
    const bytes = TEXT.encode(`id: ${id}\nevent: delta\ndata: ${JSON.stringify(delta)}\n\n`)
    this.#encoded.set(delta, bytes)
    return bytes
  }

  /** One encoding for all who need a snapshot between two deltas or figures, which it ends with. */
  #snapshotNow(): Uint8Array {
    const { feed } = this.#world
    const id = `${feed.epoch}-${feed.seq}`
    const kpi = this.#kpi
    if (this.#snapshot?.id === id && this.#snapshot.kpi === kpi) return this.#snapshot.bytes
    const data = JSON.stringify(feed.snapshot())
    const event = TEXT.encode(`retry: 1000\nid: ${id}\nevent: snapshot\ndata: ${data}\n\n`)
    const bytes = kpi ? Buffer.concat([event, kpi]) : event
    this.#snapshot = { id, kpi, bytes }
    return bytes
  }
}

function giveUp(viewer: Viewer, request: LiveRequest): void {
  viewer.end()
  request.timeout(LAST_WORDS_S)
}
