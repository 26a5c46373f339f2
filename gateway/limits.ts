/** A bucket that fills with time and may be overdrawn once: a message larger than the burst still passes. */
export class TokenBucket {
  readonly #perMs: number
  readonly #capacity: number
  #tokens: number
  #filledMs: number

  constructor(options: { perSecond: number; capacity: number; nowMs: number }) {
    this.#perMs = options.perSecond / 1_000
    this.#capacity = options.capacity
    this.#tokens = options.capacity
    this.#filledMs = options.nowMs
  }

  /** Milliseconds until a message may come; 0 when it may come now. */
  waitMs(nowMs: number): number {
    this.#fill(nowMs)
    return this.#tokens > 0 ? 0 : Math.max(1, Math.ceil((1 - this.#tokens) / this.#perMs))
  }

  take(tokens: number): void {
    this.#tokens -= tokens
  }

  /** True when nothing would be lost by forgetting it. */
  isFull(nowMs: number): boolean {
    this.#fill(nowMs)
    return this.#tokens >= this.#capacity
  }

  #fill(nowMs: number): void {
    this.#tokens = Math.min(this.#capacity, this.#tokens + (nowMs - this.#filledMs) * this.#perMs)
    this.#filledMs = nowMs
  }
}

/** One bucket for each name (a key, an address), bounded: full buckets are forgotten first. */
export class RateLimit {
  readonly #buckets = new Map<string, TokenBucket>()
  readonly #options: Readonly<{ perSecond: number; capacity: number; namesMax: number }>

  constructor(options: { perSecond: number; capacity: number; namesMax: number }) {
    this.#options = options
  }

  get size(): number {
    return this.#buckets.size
  }

  /** The bucket of a name; holding on to it saves the look-up. */
  bucket(name: string, nowMs: number): TokenBucket {
    const found = this.#buckets.get(name)
    if (found) return found
    if (this.#buckets.size >= this.#options.namesMax) this.#forget(nowMs)
    const made = new TokenBucket({ ...this.#options, nowMs })
    this.#buckets.set(name, made)
    return made
  }

  #forget(nowMs: number): void {
    for (const [name, bucket] of this.#buckets) {
      if (bucket.isFull(nowMs)) this.#buckets.delete(name)
    }
    // All of them in use: the oldest goes, since the map must not grow with what strangers send.
    for (const name of this.#buckets.keys()) {
      if (this.#buckets.size < this.#options.namesMax) return
      this.#buckets.delete(name)
    }
  }
}

/** A number of bytes that may be held at one time. */
export class ByteBudget {
  readonly #bytesMax: number
  #bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Sets bytes aside; false when there is no room. A single message always fits an empty budget. */
  reserve(bytes: number): boolean {
    if (this.#bytes > 0 && this.#bytes + bytes > this.#bytesMax) return false
    this.#bytes += bytes
    return true
  }

  release(bytes: number): void {
    this.#bytes -= bytes
  }
}
