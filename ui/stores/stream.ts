import { signal } from '@preact/signals'

/**
 * How the page hears the feed.
 * - `connecting`: the first try, nothing heard yet.
 * - `live`: something was heard within the last seconds.
 * - `stale`: connected, yet nothing is heard.
 * - `retrying`: the line is cut; the browser or this page tries again.
 * - `signed_out`: the server wants a sign-in first.
 */
export type ConnectionState = 'connecting' | 'live' | 'stale' | 'retrying' | 'signed_out'

/** What this needs of an EventSource. */
export type Source = Readonly<{ readyState: number; close(): void }>

/** What a source tells. */
export type SourceHandlers<Event extends string> = Readonly<{
  opened(): void
  /** `id` is empty for an event without one. */
  message(event: Event, id: string, text: string): void
  failed(): void
}>

/** The world around the stream, handed in. */
export type StreamWorld<Event extends string> = Readonly<{
  open(url: string, handlers: SourceHandlers<Event>): Source
  /** Why a stream was refused, asked when the browser gave up. */
  probe(): Promise<'ok' | 'signed_out' | 'down'>
  now(): number
  random(): number
  /** Calls once after a while; the result cancels. */
  after(delayMs: number, run: () => void): () => void
}>

/** Takes a message; false asks for the stream to be opened anew from `lastEventId`. */
export type Receive<Event extends string> = (event: Event, id: string, text: string) => boolean

/** One line to the server. */
export type StreamOptions<Event extends string> = Readonly<{
  /** Where it is asked for, such as `/live`. */
  path: string
  world: StreamWorld<Event>
  receive: Receive<Event>
  lastEventId: () => string
  /** Silence that is no longer ordinary: 5 s where something comes each second. */
  staleAfterMs?: number
  /**
   * Where silence is ordinary: after so much of it the line is opened anew while it still counts as
   * live, so that a network that dropped it without a word is found out and a quiet night is not shown as trouble.
   */
  renewAfterMs?: number
}>

const STALE_AFTER_MS = 5_000
const DEAD_AFTER_MS = 20_000
const CHECK_EVERY_MS = 1_000
const BACKOFF_MS_FIRST = 500
const BACKOFF_MS_MAX = 15_000
const CLOSED = 2

/** One SSE connection kept alive, as a state machine. */
export class LiveStream<Event extends string> {
  readonly state = signal<ConnectionState>('connecting')
  /** When something was last heard, on the page's clock; −1 before. */
  readonly heardMs = signal(-1)

  readonly #options: StreamOptions<Event>
  readonly #world: StreamWorld<Event>
  readonly #staleAfterMs: number
  #source: Source | null = null
  #attempt = 0
  #troubleMs = 0
  /** When the line was last heard before it was renewed: once for each silence. */
  #renewedOf = -1
  #cancelCheck = (): void => {}
  #cancelRetry = (): void => {}

  constructor(options: StreamOptions<Event>) {
    this.#options = options
    this.#world = options.world
    this.#staleAfterMs = options.staleAfterMs ?? STALE_AFTER_MS
  }

  start(): void {
    this.#open()
    this.#check()
  }

  stop(): void {
    this.#cancelCheck()
    this.#cancelRetry()
    this.#close()
  }

  /** Tries at once: the network or the tab came back. */
  wake(): void {
    if (this.state.value !== 'retrying' && this.state.value !== 'stale') return
    this.#attempt = 0
    this.#reopen()
  }

  #open(): void {
    this.#troubleMs = this.#world.now()
    const { path, lastEventId, receive } = this.#options
    const id = lastEventId()
    const url = id === '' ? path : `${path}?lastEventId=${encodeURIComponent(id)}`
    const current = (): boolean => this.#source === source
    const source: Source = this.#world.open(url, {
      opened: () => current() && this.#heard(),
      message: (event, messageId, text) => {
        if (!current()) return
        this.#heard()
        if (!receive(event, messageId, text)) this.#retryLater()
      },
      failed: () => current() && this.#failed(source),
    })
    this.#source = source
  }

  #heard(): void {
    this.heardMs.value = this.#world.now()
    if (this.state.value !== 'live') this.state.value = 'live'
    this.#attempt = 0
  }

  #failed(source: Source): void {
    if (this.state.value !== 'retrying') this.#troubleMs = this.#world.now()
    this.state.value = 'retrying'
    // Still connecting: the browser itself tries again, with Last-Event-ID.
    if (source.readyState !== CLOSED) return
    this.#close()
    void this.#world.probe().then((answer) => {
      if (this.#source) return
      if (answer === 'signed_out') this.state.value = 'signed_out'
      else this.#retryLater()
    })
  }

  #retryLater(): void {
    this.#close()
    this.state.value = 'retrying'
    const ceilingMs = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_FIRST * 2 ** this.#attempt)
    this.#attempt += 1
    this.#cancelRetry()
    this.#cancelRetry = this.#world.after(ceilingMs * (0.5 + this.#world.random() / 2), () =>
      this.#reopen(),
    )
  }

  #reopen(): void {
    this.#cancelRetry()
    this.#close()
    this.state.value = 'retrying'
    this.#open()
  }

  #check(): void {
    this.#cancelCheck = this.#world.after(CHECK_EVERY_MS, () => {
      const now = this.#world.now()
      const quietMs = now - this.heardMs.value
      const renewAfterMs = this.#options.renewAfterMs ?? Infinity
      const renewed = this.#renewedOf === this.heardMs.value
      if (this.state.value === 'live' && quietMs > renewAfterMs && !renewed) {
        this.#renewedOf = this.heardMs.value
        this.#close()
        this.#open()
      } else if (this.state.value === 'live' && quietMs > this.#staleAfterMs) {
        this.state.value = 'stale'
        this.#troubleMs = now
      } else if (this.#source && this.state.value !== 'live') {
        // A half-open line says nothing for ever: end it and ask again.
        if (now - this.#troubleMs > DEAD_AFTER_MS) this.#retryLater()
      }
      this.#check()
    })
  }

  #close(): void {
    this.#source?.close()
    this.#source = null
  }
}

/** Reads `<epoch>-<seq>`; null when it is something else. */
export function parseEventId(id: string): { epoch: string; seq: number } | null {
  const cut = id.lastIndexOf('-')
  const seq = Number(id.slice(cut + 1))
  if (cut < 1 || !Number.isSafeInteger(seq) || seq < 0) return null
  return { epoch: id.slice(0, cut), seq }
}
