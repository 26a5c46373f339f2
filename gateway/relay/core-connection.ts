import type { Clock } from '../../actors/kernel/clock.ts'
import { messageOf } from '../../actors/kernel/errors.ts'
import type { Counter, Log } from '../../actors/kernel/telemetry.ts'
import type { Ping } from '../../actors/model/ping.ts'
import type { Trip } from '../../actors/model/trip.ts'
import type { GatewayOptions } from '../options.ts'
import { CoreStream, type RelayTarget } from './core-stream.ts'
import type { Edges, Held } from './edges.ts'
import { INFLATED_BYTES_MAX, parseFrame, Pieces } from './frame.ts'
import type { RelayPositions } from './positions.ts'
import {
  type CoreWord,
  type Hello,
  type Offered,
  parseEdgeWord,
  type Refused,
  RELAY_VERSION,
  senderOf,
  type StreamName,
  versionOf,
} from './protocol.ts'

/** What a connection needs of its socket; Bun's ServerWebSocket has this shape. */
export interface CoreWire {
  sendText(text: string): number
  ping(): number
  close(code: number, reason: string): void
  terminate(): void
}

/** What all connections of edges share. */
export type CoreAround = Readonly<{
  pings: RelayTarget<Ping>
  trips: RelayTarget<Trip>
  edges: Edges
  options: GatewayOptions
  limits: RelayLimits
  clock: Clock
  log: Log
  counters: Readonly<{ messages: Counter; repeats: Counter; refused: Counter }>
}>

export type RelayLimits = Readonly<{
  /** Edges that may be connected at once; the next one gets 503 before the upgrade. */
  edgesMax: number
  /** Frames of one stream that an edge may send ahead of its acknowledgements. */
  window: number
  /** Compressed bytes of one connection that may wait to be read. */
  waitingBytesMax: number
  /** A line on which nothing was heard for so long is cut. */
  silentMsMax: number
}>

export const RELAY_LIMITS: RelayLimits = {
  edgesMax: 1_000,
  window: 8,
  waitingBytesMax: 128 * 1024 * 1024,
  silentMsMax: 20_000,
}

const RETRY_SOON_MS = 1_000
const RETRY_LATE_MS = 15_000
const POLICY = 1008

type Streams = Readonly<{ pings: CoreStream<Ping>; trips: CoreStream<Trip> }>

/** The core's end of one edge's connection: greeting → open → over (SPEC.md, Relay). */
export class CoreConnection implements Held {
  readonly #wire: CoreWire
  readonly #around: CoreAround
  readonly #pieces = new Pieces(INFLATED_BYTES_MAX)
  #hello: Hello | null = null
  #streams: Streams | null = null
  #over = false
  #cancelWatch = (): void => {}
  heardMs: number
  /** Places that were reached since the last flush: one acknowledgement says all. */
  readonly #reached = new Map<StreamName, number>()

  constructor(wire: CoreWire, around: CoreAround) {
    this.#wire = wire
    this.#around = around
    this.heardMs = around.clock.monotonicMs()
    this.#watch()
  }

  receive(data: string | Uint8Array): void {
    if (this.#over) return
    this.heard()
    try {
      if (typeof data === 'string') this.#word(data)
      else this.#piece(data)
    } catch (thrown) {
      this.#failed(thrown)
    }
  }

  /** A sign of life that is no message. */
  heard(): void {
    this.heardMs = this.#around.clock.monotonicMs()
  }

  probe(): void {
    this.#wire.ping()
  }

  /** The socket is gone, or is about to be. */
  closed(): void {
    if (this.#over) return
    this.#over = true
    this.#cancelWatch()
    const { edges, pings, trips, log } = this.#around
    const drained = [this.#streams?.pings.close(), this.#streams?.trips.close()]
    // Where the journal drops repeats nobody waits: a broker that is away would keep the edge away too.
    const isWaitedFor = pings.positions.exact || trips.positions.exact
    if (!this.#hello) return
    const { edge } = this.#hello
    edges.release(edge, this, isWaitedFor ? Promise.all(drained).then(() => {}) : Promise.resolve())
    if (this.#streams) log.info({ edge }, 'an edge gateway is gone')
  }

  end(code: number, reason: string): void {
    this.closed()
    this.#wire.close(code, reason)
    // A line that is dead would keep the socket until its own timeout.
    this.#around.clock.after(RETRY_SOON_MS, () => this.#wire.terminate())
  }

  #word(text: string): void {
    const version = this.#hello ? null : versionOf(text)
    if (version !== null && version !== RELAY_VERSION) {
      const message = `this core speaks version ${RELAY_VERSION} of the relay, the edge ${version}: update the older one`
      return this.#refuse('version', message, RETRY_LATE_MS)
    }
    const word = parseEdgeWord(text)
    if (word.type === 'beat') return this.#say({ type: 'beat' })
    if (this.#hello) return this.#refuse('bad_word', 'hello was said already', RETRY_LATE_MS)
    this.#hello = word
    this.#greet(word).catch((thrown: unknown) => this.#failed(thrown))
  }

  async #greet(hello: Hello): Promise<void> {
    const { edges, pings, trips } = this.#around
    const sender = senderOf(hello)
    for (const { positions, stream } of [pings, trips]) {
      if (!positions.ready) {
        return this.#refuse('not_ready', `the ${stream} journal is being read`, RETRY_SOON_MS)
      }
      if (positions.full && positions.next(sender) === null) {
        const message = 'this core remembers as many edge folders as it can'
        return this.#refuse('too_many', message, RETRY_LATE_MS)
      }
    }
    if (!(await edges.claim(hello, this))) {
      const message = `another gateway with the id ${hello.edge} is connected; give each its own EDGE_ID`
      this.#hello = null
      return this.#refuse('in_use', message, RETRY_LATE_MS)
    }
    // It may have gone while it waited.
    if (this.#over) return edges.release(hello.edge, this, Promise.resolve())
    this.#welcome(hello, sender)
  }

  #welcome(hello: Hello, sender: string): void {
    const { pings, trips, options, limits, log } = this.#around
    const resume = { pings: 0, trips: 0 }
    for (const { stream, positions } of [pings, trips]) {
      const offered = hello.streams[stream]
      const at = resumeAt(positions, sender, offered)
      if (at > offered.next) {
        const message = `this core has ${stream} up to ${at}, but the edge's journal ends at ${offered.next}: its folder is an older copy; empty it`
        return this.#refuse('ahead', message, RETRY_LATE_MS)
      }
      this.#warnOfLoss(stream, positions.next(sender), offered, positions.exact)
      resume[stream] = at
    }
    const { edge } = hello
    const shared = { edge, sender, limits: options, clock: this.#around.clock, log, on: this.#on }
    this.#streams = {
      pings: new CoreStream({ ...shared, target: pings, resume: resume.pings }),
      trips: new CoreStream({ ...shared, target: trips, resume: resume.trips }),
    }
    log.info({ edge, ...resume }, 'an edge gateway is connected')
    this.#say({
      type: 'welcome',
      version: RELAY_VERSION,
      streams: { pings: { resume: resume.pings }, trips: { resume: resume.trips } },
      message_bytes_max: options.frameBytesMax,
      window: limits.window,
    })
  }

  /** Says so when neither end has what lies between what the core knows and what the edge still holds. */
  #warnOfLoss(stream: StreamName, known: number | null, offered: Offered, exact: boolean): void {
    const from = known ?? (exact ? 0 : offered.acknowledged)
    if (from >= offered.first) return
    const at = { edge: this.#hello?.edge, stream, from, first: offered.first }
    this.#around.log.error(
      at,
      'messages of an edge gateway are neither here nor there any more: another core has them, or this one lost data',
    )
  }

  #piece(data: Uint8Array): void {
    if (!this.#streams) return this.#refuse('bad_word', 'say hello first', RETRY_LATE_MS)
    const whole = this.#pieces.add(data)
    if (!whole) return
    const frame = parseFrame(whole)
    const { pings, trips } = this.#streams
    if (pings.bytesWaiting + trips.bytesWaiting > this.#around.limits.waitingBytesMax) {
      return this.#refuse('bad_word', 'more than the window was sent', RETRY_LATE_MS)
    }
    this.#streams[frame.header.stream].frame(frame)
  }

  readonly #on = {
    ack: (stream: StreamName, next: number): void => {
      this.#reached.set(stream, next)
      if (this.#reached.size === 1) queueMicrotask(() => this.#acknowledge())
    },
    busy: (
      stream: StreamName,
      next: number,
      turn: number,
      why: Readonly<{ message: string; retryAfterMs: number }>,
    ): void => {
      const { message, retryAfterMs: retry_after_ms } = why
      this.#say({ type: 'busy', stream, next, turn, message, retry_after_ms })
    },
    taken: (_: StreamName, messages: number, repeats: number): void => {
      this.#around.counters.messages.add(messages)
      this.#around.counters.repeats.add(repeats)
    },
    failed: (thrown: unknown): void => this.#failed(thrown),
  }

  #acknowledge(): void {
    for (const [stream, next] of this.#reached) this.#say({ type: 'ack', stream, next })
    this.#reached.clear()
  }

  #say(word: CoreWord): void {
    if (!this.#over) this.#wire.sendText(JSON.stringify(word))
  }

  #refuse(reason: Refused['reason'], message: string, retryAfterMs: number): void {
    const { log, counters } = this.#around
    counters.refused.add()
    const said = { edge: this.#hello?.edge, reason, detail: message }
    if (reason === 'not_ready' || reason === 'stopping')
      log.debug(said, 'an edge gateway is to wait')
    else log.warn(said, 'an edge gateway is refused')
    this.#say({ type: 'refused', reason, message, retry_after_ms: retryAfterMs })
    this.end(POLICY, reason)
  }

  #failed(thrown: unknown): void {
    if (this.#over) return
    this.#refuse('bad_word', messageOf(thrown), RETRY_LATE_MS)
  }

  #watch(): void {
    const { clock, limits } = this.#around
    this.#cancelWatch = clock.after(limits.silentMsMax / 4, () => {
      if (clock.monotonicMs() - this.heardMs < limits.silentMsMax) return this.#watch()
      this.closed()
      this.#wire.terminate()
    })
  }

  /** The core stops: an edge comes again when it is back. */
  stop(): void {
    this.#refuse('stopping', 'the core stops', RETRY_SOON_MS)
  }
}

/** Where an edge goes on (SPEC.md R2). */
export function resumeAt(
  positions: RelayPositions,
  sender: string,
  { first, acknowledged }: Offered,
): number {
  const known = positions.next(sender)
  // Nothing else keeps repeats out of this journal, and it has none of an edge that it does not know.
  if (positions.exact) return Math.max(known ?? 0, first)
  return Math.max(known ?? 0, acknowledged, first)
}
