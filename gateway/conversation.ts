import type { Clock } from '../actors/kernel/clock.ts'
import type { Ping } from '../actors/model/ping.ts'
import type { Intake, Sender } from './intake.ts'
import { type Message, refuseUnread } from './message.ts'
import type { GatewayOptions } from './options.ts'
import { tooLarge } from './refusals.ts'
import { AUTHENTICATED, NOT_AUTHENTICATED, notTaken, replyTo } from './replies.ts'
import { ReplyQueue, type ReplySlot } from './reply-queue.ts'

/** What a conversation needs of its socket; Bun's ServerWebSocket has this shape. */
export interface Wire {
  /** −1 when the other side does not read and the text waits, 0 when it was dropped. */
  sendText(text: string): number
  close(code: number, reason: string): void
  terminate(): void
  /** Stops and resumes reading from the other side. */
  pause(): void
  resume(): void
  cork(call: () => void): unknown
}

/** What all conversations share. */
export type Around<Item = Ping> = Readonly<{
  intake: Intake<Item>
  clock: Clock
  /** The name of a key, or null. */
  nameOf: (key: string) => string | null
  options: GatewayOptions
  /** Calls `flush` of this conversation once the outcomes of this moment are all in. */
  flushSoon: (conversation: Conversation<Item>) => void
  /** Told of each failed authentication. */
  onRefusedKey: () => void
}>

const POLICY = { code: 1008, reason: 'Authentication failed' }
const RETRY_HARD_MS = 1_000
const DOUBLINGS_MAX = 3

/**
 * One socket's side of PacketPulse's protocol: authentication, then exactly one reply a message, in
 * order. States: authenticating → open → closing → closed (SPEC.md).
 */
export class Conversation<Item = Ping> {
  readonly #wire: Wire
  readonly #around: Around<Item>
  readonly #replies = new ReplyQueue()
  #sender: Sender | null
  #state: 'authenticating' | 'open' | 'closing' | 'closed'
  #stopping = false
  #paused = false
  #congested = false
  #cancelTimer: (() => void) | null = null
  /** When a sender that was told to come again later may do so; monotonic. */
  #backAtMs = -Infinity
  #cancelHold: (() => void) | null = null
  #refusedInRow = 0
  /** True while it waits for its flush: kept by who flushes. */
  flushing = false

  /** `source` is the name of a key that came with the upgrade. */
  constructor(wire: Wire, around: Around<Item>, source: string | null) {
    this.#wire = wire
    this.#around = around
    this.#sender = source === null ? null : around.intake.sender(source)
    this.#state = source === null ? 'authenticating' : 'open'
    if (source === null) {
      const { clock, options } = around
      this.#cancelTimer = clock.after(options.authTimeoutMs, () => this.#refuseKey(0))
    }
  }

  /** Messages without a reply. */
  get unanswered(): number {
    return this.#replies.count
  }

  receive(data: string | Uint8Array): void {
    if (this.#state === 'closing' || this.#state === 'closed') return
    if (this.#stopping) {
      this.#answer(data.length, notTaken('unavailable', 'the server stops', RETRY_HARD_MS))
    } else if (this.#sender === null || this.#state === 'authenticating') this.#authenticate(data)
    else this.#ingest(data, this.#sender)
  }

  /** The other side reads again. */
  drained(): void {
    if (!this.#congested) return
    this.#congested = false
    this.#stopTimer()
    this.#readOn()
  }

  /** The socket is gone; outcomes that still come have nobody to tell. */
  closed(): void {
    this.#state = 'closed'
    this.#stopTimer()
    this.#cancelHold?.()
  }

  /** Answers what is pending, then closes with 1001. */
  stop(): void {
    this.#stopping = true
    this.#endIfDone()
  }

  /** Sends every reply whose turn has come. */
  flush(): void {
    if (this.#state === 'closed') return
    const first = this.#replies.take()
    if (!first) return
    if (!this.#replies.isReady) this.#send(first)
    else {
      this.#wire.cork(() => {
        for (let slot: ReplySlot | null = first; slot; slot = this.#replies.take()) this.#send(slot)
      })
    }
    this.#readOn()
    this.#endIfDone()
  }

  #authenticate(data: string | Uint8Array): void {
    if (this.#state === 'authenticating') this.#stopTimer()
    const key = keyOf(data)
    const name = key === null ? null : this.#around.nameOf(key)
    if (name === null) {
      this.#refuseKey(data.length)
      return
    }
    this.#sender = this.#around.intake.sender(name)
    this.#state = 'open'
    this.#answer(data.length, AUTHENTICATED)
  }

  #refuseKey(bytes: number): void {
    this.#around.onRefusedKey()
    this.#answer(bytes, NOT_AUTHENTICATED, POLICY)
  }

  #ingest(data: string | Uint8Array, sender: Sender): void {
    const { intake, options } = this.#around
    if (data.length > options.frameBytesMax) {
      this.#refuseLarge(data, sender)
      return
    }
    // Pausing stops the socket, not the messages that had been read with the last one.
    if (this.#isFull(2)) {
      this.#answer(data.length, notTaken('busy', 'busy', RETRY_HARD_MS))
      return
    }
    const holdMs = this.#cancelHold ? this.#backAtMs - this.#around.clock.monotonicMs() : 0
    if (holdMs > 0) {
      this.#answer(data.length, notTaken('busy', 'busy', Math.ceil(holdMs)))
      return
    }
    const waitMs = intake.waitMs(sender)
    if (waitMs > 0) {
      const why = `too many ${intake.kind.noun}s for this key`
      this.#answer(data.length, notTaken('rate_limited', why, waitMs))
      this.#hold(waitMs)
      return
    }
    const refusal = intake.refusal()
    if (refusal) {
      // Longer each time: refusing costs little, and still too much when everybody is refused every second.
      const forMs = refusal.retryAfterMs * 2 ** Math.min(this.#refusedInRow++, DOUBLINGS_MAX)
      this.#answer(data.length, notTaken(refusal.code, refusal.message, forMs))
      this.#hold(forMs)
      return
    }
    const message = intake.read(data, sender)
    if (message.refusedCount > 0 && !message.batch && keyOf(data) !== null) {
      this.#authenticate(data)
      return
    }
    this.#offer(message, sender, data.length, null)
  }

  #refuseLarge(data: string | Uint8Array, sender: Sender): void {
    const { intake, options } = this.#around
    const bytes = typeof data === 'string' ? Buffer.byteLength(data) : data.length
    const refusal = tooLarge(options.frameBytesMax, bytes, 'a frame')
    const message = refuseUnread(data, refusal, intake.receipt(sender))
    // Nothing more is read: what follows in the pipe may be as large.
    this.#state = 'closing'
    this.#offer(message, sender, data.length, { code: 1009, reason: 'Frame too large' })
  }

  #offer(message: Message<Item>, sender: Sender, bytes: number, close: ReplySlot['close']): void {
    const slot = this.#replies.open(bytes)
    slot.close = close
    this.#around.intake.offer(message, sender, (outcome) => {
      this.#settle(slot, replyTo(message, outcome))
      if (outcome.ok) this.#refusedInRow = 0
      else this.#hold(outcome.retryAfterMs)
    })
    if (!this.#paused && this.#isFull(1)) this.#pause()
  }

  #answer(bytes: number, reply: string, close: ReplySlot['close'] = null): void {
    const slot = this.#replies.open(bytes)
    slot.close = close
    if (close) this.#state = 'closing'
    this.#settle(slot, reply)
  }

  #settle(slot: ReplySlot, reply: string): void {
    slot.reply = reply
    if (this.#state !== 'closed' && this.#replies.isReady) this.#around.flushSoon(this)
  }

  #send(slot: ReplySlot): void {
    if (this.#state === 'closed') return
    const status = this.#wire.sendText(slot.reply ?? '')
    if (slot.close) {
      this.#close(slot.close.code, slot.close.reason)
      return
    }
    if (status !== -1 || this.#congested) return
    this.#congested = true
    if (!this.#paused) this.#pause()
    const { clock, options } = this.#around
    this.#cancelTimer = clock.after(options.stallMsMax, () => this.#wire.terminate())
  }

  #isFull(times: number): boolean {
    const { unansweredMax, unansweredBytesMax } = this.#around.options
    return (
      this.#replies.count >= unansweredMax * times ||
      this.#replies.bytes >= unansweredBytesMax * times
    )
  }

  #pause(): void {
    this.#paused = true
    this.#wire.pause()
  }

  /**
   * Nothing is read of a sender until the time it was told to come again: who does not wait is slowed down
   * by its own full line, and takes no room from those who do.
   */
  #hold(forMs: number): void {
    if (this.#state === 'closed') return
    const { clock } = this.#around
    this.#backAtMs = clock.monotonicMs() + forMs
    if (this.#cancelHold) return
    if (!this.#paused) this.#pause()
    this.#release(forMs)
  }

  #release(afterMs: number): void {
    const { clock } = this.#around
    this.#cancelHold = clock.after(afterMs, () => {
      const leftMs = this.#backAtMs - clock.monotonicMs()
      if (leftMs > 0) return this.#release(leftMs)
      this.#cancelHold = null
      this.#readOn()
    })
  }

  #readOn(): void {
    if (!this.#paused || this.#congested || this.#cancelHold || this.#isFull(0.5)) return
    this.#paused = false
    if (this.#state !== 'closed') this.#wire.resume()
  }

  #endIfDone(): void {
    if (this.#stopping && this.#state !== 'closed' && this.#replies.count === 0) {
      this.#close(1001, 'Server stops')
    }
  }

  #close(code: number, reason: string): void {
    this.closed()
    this.#wire.close(code, reason)
  }

  #stopTimer(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = null
  }
}

/** The key of an authentication frame, or null when it is none. */
function keyOf(data: string | Uint8Array): string | null {
  // A frame that authenticates is short; a long one is not worth a parse.
  if (data.length > 4_096) return null
  try {
    const value: unknown = JSON.parse(
      typeof data === 'string' ? data : new TextDecoder('utf-8', { fatal: true }).decode(data),
    )
    if (typeof value !== 'object' || value === null) return null
    if (!('type' in value) || value.type !== 'authentication') return null
    return 'api_key' in value && typeof value.api_key === 'string' ? value.api_key : ''
  } catch {
    return null
  }
}
