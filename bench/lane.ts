import { authenticationFrame, readReply } from '../simulator/wire.ts'
import { clientFrame, type FrameSet } from './frames.ts'
import { RawSocket } from './raw-socket.ts'

/** What a lane reports about one frame that got its answer. */
export type LaneEvents = Readonly<{
  /** `dueMs` is when the frame was meant to go out. */
  onAnswered: (lane: Lane, dueMs: number, refused: number, reason: string) => void
  onBusy: (lane: Lane, retryAfterMs: number) => void
  onLost: (why: string) => void
}>

type Flight = { frame: number; dueMs: number }

/** One socket and the frames that are its own: it sends them in turn, several before the first answer. */
export class Lane {
  readonly #frames: FrameSet
  readonly #events: LaneEvents
  readonly #socket: RawSocket
  readonly #first: number
  readonly #every: number
  #next: number
  /** Times that all of its frames have been sent. */
  #rounds = 0
  #inFlight: Flight[] = []
  /** Frames that were not taken: they go again, unchanged, before any new one. */
  #again: Flight[] = []
  #authenticated: PromiseWithResolvers<void> | null = null

  /** The lane's own frames are `first`, `first + every`, … */
  constructor(frames: FrameSet, first: number, every: number, events: LaneEvents) {
    this.#frames = frames
    this.#first = first
    this.#every = every
    this.#next = first
    this.#events = events
    this.#socket = new RawSocket({
      onReply: (text) => this.#onReply(text),
      onClose: (why) => events.onLost(why),
    })
  }

  /** Frames that have no answer. */
  get unanswered(): number {
    return this.#inFlight.length + this.#again.length
  }

  async open(hostname: string, port: number, key: string): Promise<void> {
    await this.#socket.open(hostname, port)
    this.#authenticated = Promise.withResolvers<void>()
    this.#socket.write(clientFrame(1, Buffer.from(authenticationFrame(key))))
    await this.#authenticated.promise
    this.#authenticated = null
  }

  /** Sends the next frame; the caller keeps count of how many may fly. */
  send(dueMs: number, nowMs: number): void {
    const again = this.#again.shift()
    if (again) {
      this.#inFlight.push(again)
      this.#socket.write(this.#frames.same(again.frame))
      return
    }
    const frame = this.#next
    this.#next = frame + this.#every
    if (this.#next >= this.#frames.count) {
      this.#next = this.#first
      this.#rounds++
    }
    this.#inFlight.push({ frame, dueMs })
    this.#socket.write(this.#frames.next(frame, nowMs))
  }

  /** True when a frame waits to be sent a second time. */
  get owes(): boolean {
    return this.#again.length > 0
  }

  /** Times that every frame of its own has been sent for the first time. */
  get rounds(): number {
    return this.#rounds
  }

  end(): void {
    this.#socket.end()
  }

  #onReply(text: string): void {
    if (this.#authenticated) {
      if (text.includes('"authenticated"')) this.#authenticated.resolve()
      else this.#authenticated.reject(new Error(`the key was refused: ${text}`))
      return
    }
    const flight = this.#inFlight.shift()
    if (!flight) {
      this.#events.onLost(`a reply to nothing: ${text.slice(0, 200)}`)
      return
    }
    const reply = readReply(text, this.#frames.framePings)
    if (reply.kind === 'busy') {
      this.#again.push(flight)
      this.#events.onBusy(this, reply.retryAfterMs)
    } else if (reply.kind === 'broken') {
      this.#events.onLost(reply.message)
    } else {
      const reason = reply.refused[0]?.message ?? ''
      this.#events.onAnswered(this, flight.dueMs, reply.refusedCount, reason)
    }
  }
}
