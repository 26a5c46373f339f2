/** How far each edge's messages of one stream are in the core's journal. */
export interface RelayPositions {
  /** Whether `next` says exactly what the journal has: then nothing else keeps repeats out. */
  readonly exact: boolean
  /** False while nobody knows yet: a journal's tail is still being read. */
  readonly ready: boolean
  /** No further sender can be remembered. */
  readonly full: boolean
  /** The sender's own offset behind its last message in the journal, or null for a sender that is not known. */
  next(sender: string): number | null
  /** Everything of the sender before `next` is in the journal. */
  reached(sender: string, next: number): void
}

const SENDERS_MAX = 10_000

/**
 * Where edges go on when the journal itself drops what comes twice (Kafka's readers do): the newest place that
 * this gateway has seen stored. Forgetting one costs sending some messages again, nothing else.
 */
export class RelayHints implements RelayPositions {
  readonly exact = false
  readonly ready = true
  readonly full = false
  readonly #next = new Map<string, number>()

  next(sender: string): number | null {
    return this.#next.get(sender) ?? null
  }

  reached(sender: string, next: number): void {
    const known = this.#next.get(sender) ?? 0
    // Newest last: whoever was silent longest is forgotten first.
    this.#next.delete(sender)
    this.#next.set(sender, Math.max(known, next))
    if (this.#next.size <= SENDERS_MAX) return
    for (const oldest of this.#next.keys()) {
      this.#next.delete(oldest)
      return
    }
  }
}

/** What an embedded journal knows of its edges: each entry carries its place, so this follows the disk. */
export class JournalPositions implements RelayPositions {
  readonly exact = true
  readonly #relays
  readonly #isReady: () => boolean

  constructor(
    relays: Readonly<{ full: boolean; next(sender: string): number | null }>,
    isReady: () => boolean,
  ) {
    this.#relays = relays
    this.#isReady = isReady
  }

  get ready(): boolean {
    return this.#isReady()
  }

  get full(): boolean {
    return this.#relays.full
  }

  next(sender: string): number | null {
    return this.#relays.next(sender)
  }

  reached(): void {}
}
