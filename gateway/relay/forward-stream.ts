import type { Clock } from '../../actors/kernel/clock.ts'
import { encodeFrame, piecesOf } from './frame.ts'
import type { Outbox } from './outbox.ts'
import type { CoreWord, StreamName } from './protocol.ts'

/** What is written to of a line; `buffered` are bytes that it has not sent yet. */
export interface LineOut {
  send(message: string | Uint8Array<ArrayBuffer>): void
  readonly buffered: number
}

export type ForwardStreamOptions = Readonly<{
  stream: StreamName
  outbox: Outbox
  line: LineOut
  clock: Clock
  resume: number
  window: number
  messageBytesMax: number
  /** Bytes of entries in one frame, before compression; default 256 KiB. A larger entry goes alone. */
  frameBytesMax?: number
  /** Nothing more can be read of the journal: the connection ends by it. */
  failed: (thrown: unknown) => void
}>

type Sent = Readonly<{ next: number }>

const FRAME_BYTES_MAX = 256 * 1024
/** A line that takes nothing is not filled beyond this; there is no event for it, so it is looked at again. */
const BUFFERED_BYTES_MAX = 4 * 1024 * 1024
const LOOK_MS = 20

/** Sends one stream's outbox over one connection: frames in order, so many ahead of their acknowledgements. */
export class ForwardStream {
  readonly #options: ForwardStreamOptions
  #position: number
  #turn = 0
  #unacknowledged: Sent[] = []
  #pumping = false
  #again = false
  #over = false
  #cancelWait: (() => void) | null = null

  constructor(options: ForwardStreamOptions) {
    this.#options = options
    this.#position = options.resume
  }

  /** Is everything sent and acknowledged? */
  get isIdle(): boolean {
    return this.#unacknowledged.length === 0 && this.#position >= this.#options.outbox.nextOffset
  }

  /** There may be something to send. */
  pump(): void {
    this.#again = true
    if (!this.#pumping) void this.#pump()
  }

  acknowledged(next: number): void {
    const { outbox } = this.#options
    while (this.#unacknowledged[0] && this.#unacknowledged[0].next <= next) {
      this.#unacknowledged.shift()
    }
    outbox.reached(Math.min(next, outbox.nextOffset))
    this.pump()
  }

  /** The core took nothing from `next` on: it is sent again after a while. */
  busy({ next, turn, retry_after_ms: waitMs }: Extract<CoreWord, { type: 'busy' }>): void {
    this.#turn = turn
    this.#position = next
    this.#unacknowledged = []
    this.#options.outbox.reached(next)
    this.#cancelWait?.()
    this.#cancelWait = this.#options.clock.after(waitMs, () => {
      this.#cancelWait = null
      this.pump()
    })
  }

  end(): void {
    this.#over = true
    this.#cancelWait?.()
  }

  async #pump(): Promise<void> {
    this.#pumping = true
    try {
      while (this.#again && !this.#over) {
        this.#again = false
        while (this.#hasRoom() && (await this.#sendNext())) {
          // Until nothing is left, or no room.
        }
      }
    } catch (thrown) {
      if (!this.#over) this.#options.failed(thrown)
    } finally {
      this.#pumping = false
    }
  }

  #hasRoom(): boolean {
    if (this.#over || this.#cancelWait) return false
    const { line, window, clock } = this.#options
    if (this.#unacknowledged.length >= window) return false
    if (line.buffered < BUFFERED_BYTES_MAX) return true
    this.#cancelWait = clock.after(LOOK_MS, () => {
      this.#cancelWait = null
      this.pump()
    })
    return false
  }

  async #sendNext(): Promise<boolean> {
    const { stream, outbox, line, messageBytesMax, frameBytesMax } = this.#options
    const position = this.#position
    const turn = this.#turn
    const entries = await outbox.take(position, frameBytesMax ?? FRAME_BYTES_MAX)
    const last = entries.at(-1)
    if (!last || this.#over) return false
    // The core may have sent us back meanwhile.
    if (this.#position !== position || this.#turn !== turn) return true
    const next = last.offset + last.count
    const frame = encodeFrame(stream, turn, entries)
    for (const piece of piecesOf(frame, messageBytesMax)) line.send(piece)
    this.#position = next
    this.#unacknowledged.push({ next })
    return true
  }
}
