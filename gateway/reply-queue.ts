/** The place of one message among its socket's replies. */
export class ReplySlot {
  readonly bytes: number
  reply: string | null = null
  /** Ends the conversation after this reply. */
  close: Readonly<{ code: number; reason: string }> | null = null

  constructor(bytes: number) {
    this.bytes = bytes
  }
}

/** Replies of one socket in the order of its messages, however their outcomes come back. */
export class ReplyQueue {
  #slots: ReplySlot[] = []
  #head = 0
  #bytes = 0

  /** Messages without a reply. */
  get count(): number {
    return this.#slots.length - this.#head
  }

  /** Their bytes. */
  get bytes(): number {
    return this.#bytes
  }

  /** Takes a place for a message of so many bytes. */
  open(bytes: number): ReplySlot {
    const slot = new ReplySlot(bytes)
    this.#slots.push(slot)
    this.#bytes += bytes
    return slot
  }

  /** True when the oldest message has its reply. */
  get isReady(): boolean {
    return (this.#slots[this.#head]?.reply ?? null) !== null
  }

  /** Takes out the oldest message's slot if it has a reply. */
  take(): ReplySlot | null {
    const slot = this.#slots[this.#head]
    if (!slot || slot.reply === null) return null
    this.#head++
    this.#bytes -= slot.bytes
    if (this.#head === this.#slots.length) {
      this.#slots.length = 0
      this.#head = 0
    } else if (this.#head >= 256 && this.#head * 2 >= this.#slots.length) {
      this.#slots = this.#slots.slice(this.#head)
      this.#head = 0
    }
    return slot
  }
}
