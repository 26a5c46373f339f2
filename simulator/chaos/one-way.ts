import type { Socket } from 'node:net'

import type { Clock } from '../../actors/kernel/clock.ts'

/** How one direction behaves from now on. */
export type Flow = Readonly<{ held: boolean; delayMs: number }>

/** More waits with its sender, as in a full window. */
const BYTES_HELD_MAX = 1_048_576

type Item = Readonly<{ dueMs: number; what: Buffer | 'end' | 'close' }>

/** One direction of a connection: bytes and ends go on in order, later when it is slow, not at all while it is held. */
export class OneWay {
  readonly #from: Socket
  readonly #to: Socket
  readonly #clock: Clock
  readonly #queue: Item[] = []
  #bytes = 0
  #flow: Flow = { held: false, delayMs: 0 }
  #isFull = false
  #cancel: (() => void) | null = null

  constructor(from: Socket, to: Socket, clock: Clock) {
    this.#from = from
    this.#to = to
    this.#clock = clock
    from.on('data', (bytes: Buffer) => {
      this.#bytes += bytes.length
      this.#add(bytes)
      if (this.#bytes > BYTES_HELD_MAX) from.pause()
    })
    from.once('end', () => this.#add('end'))
    from.once('close', () => this.#add('close'))
    to.on('drain', () => {
      this.#isFull = false
      this.#pump()
    })
  }

  set(flow: Flow): void {
    this.#flow = flow
    this.#pump()
  }

  /** Both ends are gone. */
  stop(): void {
    this.#cancel?.()
    this.#queue.length = 0
  }

  #add(what: Item['what']): void {
    this.#queue.push({ dueMs: this.#clock.monotonicMs() + this.#flow.delayMs, what })
    this.#pump()
  }

  #pump(): void {
    this.#cancel?.()
    this.#cancel = null
    if (this.#flow.held) return
    for (let head = this.#queue[0]; head; head = this.#queue[0]) {
      const earlyMs = head.dueMs - this.#clock.monotonicMs()
      if (earlyMs > 0) {
        this.#cancel = this.#clock.after(earlyMs, () => this.#pump())
        return
      }
      // A close overtakes nothing, and needs no room.
      if (this.#isFull && head.what !== 'close') return
      this.#queue.shift()
      this.#pass(head.what)
    }
    if (this.#from.isPaused() && this.#bytes <= BYTES_HELD_MAX) this.#from.resume()
  }

  #pass(what: Item['what']): void {
    if (what === 'close') {
      // An orderly end has been passed on before; this one ends what is left.
      if (this.#to.writableLength === 0) this.#to.destroy()
      else this.#to.destroySoon()
    } else if (what === 'end') this.#to.end()
    else {
      this.#bytes -= what.length
      if (!this.#to.destroyed && !this.#to.write(what)) this.#isFull = true
    }
  }
}
