/** One ping as it goes out. A copy is the second sending of a ping that a fault repeats. */
export type Line = Readonly<{ text: string; copy: boolean }>

/** Lines that travel in one frame and get one reply. */
export type Frame = Readonly<{
  /** Rises with every frame of an outbox, so that frames sent again keep their order. */
  sequence: number
  lines: readonly Line[]
  body: string
  /** True once it has been written to a socket. */
  sentBefore: boolean
  writtenMs: number
}>

export type OutboxLimits = Readonly<{
  /** Lines that make a frame; 1 is the old protocol. */
  framePings: number
  /** Frames written and not yet answered; 1 is stop-and-wait. */
  framesInFlightMax: number
  /** Lines held in all; beyond it a vehicle's memory is full. */
  linesMax: number
}>

/**
 * What one connection has to send: the frame being filled, frames that wait, and frames in flight.
 * Nothing leaves it before it is answered; a lost connection puts frames in flight back, in order.
 */
export class Outbox {
  readonly #limits: OutboxLimits
  #open: Line[] = []
  #openedMs = 0
  #waiting: Frame[] = []
  #waitingFrom = 0
  #inFlight: Frame[] = []
  #sequence = 0
  #lines = 0

  constructor(limits: OutboxLimits) {
    this.#limits = limits
  }

  /** Lines held and not settled. */
  get lines(): number {
    return this.#lines
  }

  /** Pings held and not settled, copies left out. */
  get originals(): number {
    const held = [...this.#waiting.slice(this.#waitingFrom), ...this.#inFlight]
    return (
      countOriginals(this.#open) + held.reduce((sum, one) => sum + countOriginals(one.lines), 0)
    )
  }

  get framesInFlight(): number {
    return this.#inFlight.length
  }

  /** Takes a line, or says false when there is no room for it. */
  offer(line: Line, nowMs: number): boolean {
    if (this.#lines >= this.#limits.linesMax) return false
    if (this.#open.length === 0) this.#openedMs = nowMs
    this.#open.push(line)
    this.#lines++
    if (this.#open.length >= this.#limits.framePings) this.close()
    return true
  }

  /** Closes the frame being filled when it is older than `ageMsMax`. */
  closeOlderThan(ageMsMax: number, nowMs: number): void {
    if (this.#open.length > 0 && nowMs - this.#openedMs >= ageMsMax) this.close()
  }

  /** Closes the frame being filled, however small. */
  close(): void {
    if (this.#open.length === 0) return
    const lines = this.#open
    this.#open = []
    const body = lines.map((line) => line.text).join('\n')
    const sequence = this.#sequence++
    this.#waiting.push({ sequence, lines, body, sentBefore: false, writtenMs: 0 })
  }

  /** The next frame to write, moved to those in flight; null when none waits or too many fly. */
  take(nowMs: number): Frame | null {
    const next = this.#waiting[this.#waitingFrom]
    if (!next || this.#inFlight.length >= this.#limits.framesInFlightMax) return null
    this.#waitingFrom++
    if (this.#waitingFrom > 1_024 && this.#waitingFrom * 2 > this.#waiting.length) this.#compact()
    this.#inFlight.push({ ...next, sentBefore: true, writtenMs: nowMs })
    return next
  }

  /** The frame that the next reply is for. */
  get oldest(): Frame | undefined {
    return this.#inFlight[0]
  }

  /** The oldest frame in flight has its answer and leaves. */
  settle(): void {
    const frame = this.#inFlight.shift()
    if (frame) this.#lines -= frame.lines.length
  }

  /** The oldest frame in flight was not taken: it waits again, in its own place. */
  sendAgain(): void {
    const frame = this.#inFlight.shift()
    if (!frame) return
    this.#compact()
    const after = this.#waiting.findIndex((other) => other.sequence > frame.sequence)
    this.#waiting.splice(after < 0 ? this.#waiting.length : after, 0, frame)
  }

  /** The connection is gone, and with it every reply that was due. */
  rewind(): void {
    this.#compact()
    this.#waiting = [...this.#inFlight, ...this.#waiting].sort((a, b) => a.sequence - b.sequence)
    this.#inFlight = []
  }

  #compact(): void {
    this.#waiting = this.#waiting.slice(this.#waitingFrom)
    this.#waitingFrom = 0
  }
}

/** Lines that are no copies. */
export function countOriginals(lines: readonly Line[]): number {
  return lines.reduce((sum, line) => sum + (line.copy ? 0 : 1), 0)
}
