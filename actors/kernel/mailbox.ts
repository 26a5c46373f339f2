/** A bounded first-in, first-out queue; `offer` refuses, it never grows beyond its bound. */
export class Mailbox<Item> {
  readonly max: number
  #items: (Item | undefined)[] = []
  #head = 0

  constructor(max: number) {
    this.max = max
  }

  get size(): number {
    return this.#items.length - this.#head
  }

  offer(item: Item): boolean {
    if (this.size >= this.max) return false
    this.#items.push(item)
    return true
  }

  peek(): Item | undefined {
    return this.#items[this.#head]
  }

  take(): Item | undefined {
    const item = this.#items[this.#head]
    if (this.#head === this.#items.length) return undefined
    this.#items[this.#head++] = undefined
    if (this.#head > 64 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    return item
  }
}
