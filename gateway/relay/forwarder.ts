import type { Clock, Random } from '../../actors/kernel/clock.ts'
import { messageOf } from '../../actors/kernel/errors.ts'
import type { Log, Telemetry } from '../../actors/kernel/telemetry.ts'
import type { Dial, Line } from './dial.ts'
import { ForwardStream } from './forward-stream.ts'
import type { Outbox } from './outbox.ts'
import {
  type CoreWord,
  type EdgeWord,
  parseCoreWord,
  type Refused,
  RELAY_VERSION,
  STREAM_NAMES,
} from './protocol.ts'

export type ForwarderOptions = Readonly<{
  dial: Dial
  edge: string
  /** Of the data folder, and of this process. */
  identity: string
  run: string
  outboxes: Readonly<{ pings: Outbox; trips: Outbox }>
  clock: Clock
  random: Random
  log: Log
  telemetry: Telemetry
  limits?: Partial<ForwarderLimits>
}>

export type ForwarderLimits = Readonly<{
  /** A sign of life goes out so often; the core answers each. */
  beatMs: number
  /** A line on which nothing was heard for so long is cut. */
  silentMsMax: number
  /** The first wait before connecting again, and the longest; each is spread from half to all of it. */
  retryMsAtFirst: number
  retryMsMax: number
}>

const LIMITS: ForwarderLimits = {
  beatMs: 5_000,
  silentMsMax: 15_000,
  retryMsAtFirst: 200,
  retryMsMax: 15_000,
}

/** How the line is: `refused` until it was tried again. */
export type LineState = 'connecting' | 'forwarding' | 'waiting' | 'refused' | 'stopped'

type Streams = Readonly<{ pings: ForwardStream; trips: ForwardStream }>

/** The edge's end of the relay: keeps a line to the core, and goes on where the core says (SPEC.md, Relay). */
export class Forwarder {
  readonly #options: ForwarderOptions
  readonly #limits: ForwarderLimits
  readonly #connections
  #state: LineState = 'waiting'
  #why = 'not connected yet'
  #since: number
  #line: Line | null = null
  #streams: Streams | null = null
  #heardMs = 0
  #failures = 0
  /** What the core said when it refused us last. */
  #refusal = ''
  #cancelRetry = (): void => {}
  #cancelBeat = (): void => {}
  #onIdle: (() => void) | null = null

  constructor(options: ForwarderOptions) {
    this.#options = options
    this.#limits = { ...LIMITS, ...options.limits }
    this.#since = options.clock.nowMs()
    const { telemetry } = options
    this.#connections = telemetry.counter('orrery_relay_connections_total', 'Lines to the core')
    telemetry
      .gauge('orrery_relay_connected', 'Whether the core takes messages just now')
      .from(() => (this.#state === 'forwarding' ? 1 : 0))
    for (const name of STREAM_NAMES) {
      const outbox = options.outboxes[name]
      outbox.onCommitted = () => this.#streams?.[name].pump()
      const labelled = telemetry.labelled({ stream: name })
      labelled
        .gauge('orrery_relay_backlog_messages', 'Messages on disk that no core has yet')
        .from(() => outbox.backlog)
      labelled
        .gauge('orrery_relay_oldest_ms', 'Age of the oldest of them')
        .from(() => outbox.ageMs())
    }
  }

  /** How the line is, in words, and since when. */
  get line(): Readonly<{ state: LineState; why: string; sinceMs: number }> {
    return { state: this.#state, why: this.#why, sinceMs: this.#since }
  }

  start(): void {
    this.#connect()
  }

  /** Waits until everything is at the core, at most so long, and ends the line; true when nothing is left. */
  async stop(withinMs: number): Promise<boolean> {
    const { clock } = this.#options
    if (this.#state === 'forwarding' && !this.#isIdle()) {
      await new Promise<void>((resolve) => {
        const cancel = clock.after(withinMs, resolve)
        this.#onIdle = () => {
          cancel()
          resolve()
        }
      })
    }
    const isIdle = this.#isIdle()
    this.#set('stopped', 'stopped')
    this.#cancelRetry()
    this.#line?.cut()
    return isIdle
  }

  #isIdle(): boolean {
    const { pings, trips } = this.#options.outboxes
    return pings.backlog === 0 && trips.backlog === 0
  }

  #connect(): void {
    this.#set('connecting', 'connecting')
    this.#heardMs = this.#options.clock.monotonicMs()
    let line: Line | null = null
    const isOurs = (): boolean => line === null || this.#line === line
    line = this.#options.dial({
      opened: () => {
        if (isOurs()) this.#hello()
      },
      word: (text) => {
        if (isOurs()) this.#heard(text)
      },
      closed: (why) => {
        if (isOurs()) this.#lost(why)
      },
    })
    if (this.#state !== 'connecting') return line.cut()
    this.#line = line
    this.#beat()
  }

  #hello(): void {
    const { edge, identity, run, outboxes } = this.#options
    const offered = ({ firstOffset: first, nextOffset: next, acknowledged }: Outbox) => ({
      ...{ first, next, acknowledged },
    })
    const streams = { pings: offered(outboxes.pings), trips: offered(outboxes.trips) }
    this.#say({ type: 'hello', version: RELAY_VERSION, edge, identity, run, streams })
  }

  #heard(text: string): void {
    this.#heardMs = this.#options.clock.monotonicMs()
    try {
      this.#take(parseCoreWord(text))
    } catch (thrown) {
      this.#fail(thrown)
    }
  }

  #take(word: CoreWord): void {
    switch (word.type) {
      case 'welcome':
        return this.#welcomed(word)
      case 'refused':
        return this.#refused(word)
      case 'ack':
        this.#why = 'forwarding'
        this.#streams?.[word.stream].acknowledged(word.next)
        break
      case 'busy':
        this.#why = `the core is busy: ${word.message}`
        this.#streams?.[word.stream].busy(word)
        break
      case 'beat':
        break
    }
    if (this.#onIdle && this.#isIdle()) this.#onIdle()
  }

  #welcomed(welcome: Extract<CoreWord, { type: 'welcome' }>): void {
    const { outboxes, clock, log, edge } = this.#options
    const { streams, window, message_bytes_max: messageBytesMax } = welcome
    const line = this.#line
    if (!line || this.#streams) return
    const streamOf = (stream: 'pings' | 'trips'): ForwardStream => {
      const { resume } = streams[stream]
      const outbox = outboxes[stream]
      outbox.reached(resume)
      return new ForwardStream({
        ...{ stream, outbox, line, clock, resume, window, messageBytesMax },
        failed: (thrown) => this.#fail(thrown),
      })
    }
    this.#streams = { pings: streamOf('pings'), trips: streamOf('trips') }
    this.#failures = 0
    this.#refusal = ''
    this.#connections.add()
    this.#set('forwarding', 'forwarding')
    log.info(
      { edge, pings: streams.pings.resume, trips: streams.trips.resume },
      'connected to the core',
    )
    for (const name of STREAM_NAMES) this.#streams[name].pump()
  }

  #refused({ reason, message, retry_after_ms: waitMs }: Refused): void {
    const { log, edge } = this.#options
    const said = { edge, reason, detail: message }
    // Of a core that starts or stops nobody has to hear; of all else once.
    if (reason === 'not_ready' || reason === 'stopping') log.debug(said, 'the core is not ready')
    else if (message !== this.#refusal) log.error(said, 'the core refuses this gateway')
    this.#refusal = message
    this.#drop()
    this.#set('refused', message)
    this.#retryAfter(Math.max(waitMs, this.#limits.retryMsAtFirst))
  }

  #lost(why: string): void {
    if (this.#state === 'stopped') return
    const { log, edge } = this.#options
    const wasForwarding = this.#state === 'forwarding'
    if (wasForwarding || this.#failures === 0) log.warn({ edge, why }, 'no line to the core')
    this.#drop()
    this.#set('waiting', why)
    const { retryMsAtFirst, retryMsMax } = this.#limits
    this.#retryAfter(Math.min(retryMsMax, retryMsAtFirst * 2 ** Math.min(this.#failures, 16)))
    this.#failures++
  }

  #fail(thrown: unknown): void {
    const { log, edge } = this.#options
    log.error({ edge, error: messageOf(thrown) }, 'forwarding failed')
    this.#lost(messageOf(thrown))
  }

  /** Spread, so that all edges of a core that was away do not come at once. */
  #retryAfter(ms: number): void {
    const { clock, random } = this.#options
    this.#cancelRetry()
    this.#cancelRetry = clock.after(ms * (0.5 + random() / 2), () => this.#connect())
  }

  #drop(): void {
    const line = this.#line
    this.#line = null
    this.#cancelBeat()
    for (const name of STREAM_NAMES) this.#streams?.[name].end()
    this.#streams = null
    line?.cut()
    this.#onIdle?.()
  }

  #beat(): void {
    const { clock } = this.#options
    const { beatMs, silentMsMax } = this.#limits
    this.#cancelBeat = clock.after(beatMs, () => {
      if (clock.monotonicMs() - this.#heardMs >= silentMsMax)
        return this.#lost('the line is silent')
      if (this.#streams) this.#say({ type: 'beat' })
      this.#beat()
    })
  }

  #say(word: EdgeWord): void {
    this.#line?.send(JSON.stringify(word))
  }

  #set(state: LineState, why: string): void {
    if (state !== this.#state) this.#since = this.#options.clock.nowMs()
    this.#state = state
    this.#why = why
  }
}
