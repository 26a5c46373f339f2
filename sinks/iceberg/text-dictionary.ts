/** A text column of a batch: each distinct text once, and its number in every row; −1 for null. */
export class TextDictionary {
  readonly values: string[] = []
  ids: Int32Array
  readonly #numbers = new Map<string, number>()

  constructor(capacity: number) {
    this.ids = new Int32Array(capacity)
  }

  /** Sets a row, and gives the number of its text. */
  set(row: number, text: string | null): number {
    let id = -1
    if (text !== null) {
      id = this.#numbers.get(text) ?? -1
      if (id === -1) {
        id = this.values.length
        this.values.push(text)
        this.#numbers.set(text, id)
      }
    }
    this.ids[row] = id
    return id
  }

  /** The same when the text is probably that of an earlier row: a comparison is cheaper than a look-up. */
  setLike(row: number, earlier: number, text: string | null): void {
    const id = this.ids[earlier] ?? -1
    if (id >= 0 && this.values[id] === text) this.ids[row] = id
    else this.set(row, text)
  }

  /** The text of a row. */
  at(row: number): string | null {
    return this.values[this.ids[row] ?? -1] ?? null
  }

  /** Forgets all rows and texts. */
  clear(): void {
    this.values.length = 0
    this.#numbers.clear()
  }

  /** Makes room for so many rows. */
  grow(capacity: number): void {
    const grown = new Int32Array(capacity)
    grown.set(this.ids)
    this.ids = grown
  }
}
