import type { Random, VirtualClock } from '../actors/kernel/clock.ts'
import type { Wire } from '../gateway/conversation.ts'
import type { Mortal } from './world-gate.ts'

/** What the server does with one socket; a conversation has this shape. */
export interface Peer {
  receive(data: string | Uint8Array): void
  drained(): void
  closed(): void
}

export type LinkOptions = Readonly<{
  clock: VirtualClock
  random: Random
  mortal: Mortal
  latencyMsMax: number
  /** The server's side of a socket whose replies go to this wire. */
  accept: (wire: Wire) => Peer
  onReply: (text: string) => void
  /** Told once, when the client's side is gone. */
  onCut: () => void
  /** Whether this reply finds the client not reading. */
  isCongested: () => boolean
}>

/**
 * One socket, as TCP has it: what was sent arrives in order and after some time, or the socket is cut and
 * what was under way in both directions is lost.
 */
export class Link {
  readonly #options: LinkOptions
  readonly #peer: Peer
  #open = true
  #paused = false
  /** Arrived while the server does not read. */
  readonly #unread: (string | Uint8Array)[] = []
  #upMs = 0
  #downMs = 0

  constructor(options: LinkOptions) {
    this.#options = options
    this.#peer = options.accept(this.#wire())
  }

  get open(): boolean {
    return this.#open
  }

  send(data: string | Uint8Array): void {
    this.#upMs = this.#arrivalMs(this.#upMs)
    this.#at(this.#upMs, () => {
      if (this.#paused || this.#unread.length > 0) this.#unread.push(data)
      else this.#peer.receive(data)
    })
  }

  /** Ends both sides at once. */
  cut(): void {
    if (!this.#open) return
    this.#open = false
    const { mortal, onCut } = this.#options
    if (!mortal.dead) this.#peer.closed()
    onCut()
  }

  #wire(): Wire {
    return {
      sendText: (text) => this.#reply(text),
      // What was sent before arrives first.
      close: () => this.#at(this.#arrivalMs(this.#downMs), () => this.cut()),
      terminate: () => this.cut(),
      pause: () => {
        this.#paused = true
      },
      resume: () => this.#resume(),
      cork: (call) => call(),
    }
  }

  #reply(text: string): number {
    const { clock, mortal, onReply, isCongested } = this.#options
    mortal.pass('wire.reply', 'before')
    if (mortal.dead || !this.#open) return 0
    this.#downMs = this.#arrivalMs(this.#downMs)
    this.#at(this.#downMs, () => onReply(text))
    mortal.pass('wire.reply', 'after')
    if (!isCongested()) return text.length
    mortal.clock.after(this.#downMs - clock.monotonicMs() + 200, () => {
      if (this.#open) this.#peer.drained()
    })
    return -1
  }

  #resume(): void {
    this.#paused = false
    // Not within the call: the server is in the middle of something.
    this.#at(0, () => {
      while (!this.#paused && this.#unread.length > 0)
        this.#peer.receive(this.#unread.shift() ?? '')
    })
  }

  #arrivalMs(lastMs: number): number {
    const { clock, random, latencyMsMax } = this.#options
    return Math.max(lastMs, clock.monotonicMs() + Math.ceil(random() * latencyMsMax))
  }

  #at(ms: number, call: () => void): void {
    const { clock } = this.#options
    clock.after(ms - clock.monotonicMs(), () => {
      if (this.#open) call()
    })
  }
}
