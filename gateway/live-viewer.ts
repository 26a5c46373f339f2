/** What a viewer needs of the stream it came from. */
export type ViewerWorld = Readonly<{
  /** Everything now, as one event: made when it is wanted, not before. */
  snapshot: () => Uint8Array
  bytesMax: number
  nowMs: () => number
  /** Told once, when the other side is gone. */
  onGone: (viewer: Viewer) => void
}>

/** A snapshot leaves in pieces, so that what waits in the server stays small. */
const PIECE_BYTES = 65_536

/**
 * One reader of the live map. The stream pulls, so that bytes wait here and are counted, not in the
 * server's own unbounded buffer. A reader that lets more wait than it may gets latest values: what
 * waited is dropped, and when it reads again it gets a snapshot.
 */
export class Viewer {
  readonly stream: ReadableStream<Uint8Array>
  readonly #world: ViewerWorld
  #controller: ReadableStreamDefaultController<Uint8Array> | null = null
  #waiting: Uint8Array[] = []
  #waitingBytes = 0
  /** What is left of a snapshot on its way; it goes before everything that waits. */
  #snapshot: Uint8Array | null = null
  #needsSnapshot = false
  #wants = false
  #lastReadMs: number
  #gone = false

  constructor(world: ViewerWorld) {
    this.#world = world
    this.#lastReadMs = world.nowMs()
    this.stream = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller
        },
        pull: () => {
          this.#wants = true
          this.#lastReadMs = this.#world.nowMs()
          this.#give()
        },
        cancel: () => this.#leave(),
      },
      { highWaterMark: 0 },
    )
  }

  /** Bytes of deltas that wait for this reader. */
  get waitingBytes(): number {
    return this.#waitingBytes
  }

  /** True when deltas are dropped until the reader reads again. */
  get takesLatestOnly(): boolean {
    return this.#needsSnapshot
  }

  /** Milliseconds for which something has waited without being taken. */
  stalledMs(): number {
    return this.#wants ? 0 : this.#world.nowMs() - this.#lastReadMs
  }

  /** Gives the reader one or more whole events, shared with other readers and never changed. */
  push(bytes: Uint8Array): void {
    if (this.#gone || this.#needsSnapshot) return
    if (this.#waitingBytes + bytes.byteLength > this.#world.bytesMax && !this.#wants) {
      this.pushSnapshot()
      return
    }
    this.#waiting.push(bytes)
    this.#waitingBytes += bytes.byteLength
    this.#give()
  }

  /** Replaces what waits by everything as it is when the reader takes it. */
  pushSnapshot(): void {
    this.#waiting = []
    this.#waitingBytes = 0
    this.#needsSnapshot = true
    this.#give()
  }

  /** Ends the stream; what waits is dropped. */
  end(): void {
    if (this.#gone) return
    this.#leave()
    try {
      this.#controller?.close()
    } catch {
      // The other side cancelled in the same moment: it is closed already.
    }
  }

  #give(): void {
    if (!this.#wants || this.#gone) return
    const bytes = this.#next()
    if (!bytes) return
    this.#wants = false
    this.#controller?.enqueue(bytes)
  }

  #next(): Uint8Array | null {
    if (!this.#snapshot && this.#needsSnapshot) {
      this.#needsSnapshot = false
      this.#snapshot = this.#world.snapshot()
    }
    if (this.#snapshot) {
      const piece = this.#snapshot.subarray(0, PIECE_BYTES)
      const rest = this.#snapshot.subarray(PIECE_BYTES)
      this.#snapshot = rest.byteLength > 0 ? rest : null
      return piece
    }
    if (this.#waiting.length === 0) return null
    const [only] = this.#waiting
    const bytes = only && this.#waiting.length === 1 ? only : Buffer.concat(this.#waiting)
    this.#waiting = []
    this.#waitingBytes = 0
    return bytes
  }

  #leave(): void {
    if (this.#gone) return
    this.#gone = true
    this.#waiting = []
    this.#waitingBytes = 0
    this.#snapshot = null
    this.#world.onGone(this)
  }
}
