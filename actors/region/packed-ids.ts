/** Between two ids, and at both ends. */
const GAP = '\u0000'
/** Stands for the gap's character within an id: half a pair, which no well-formed id holds. */
const GAP_WITHIN = '\ud800'

/** Trip ids in one text: about a byte a character, where a set takes some hundred bytes an id. Looking one up reads it all. */
export class PackedIds {
  #text: string
  #size = 0

  constructor(ids: Iterable<string>) {
    const parts: string[] = []
    for (const id of ids) parts.push(packed(id))
    this.#size = parts.length
    this.#text = GAP + parts.map((part) => part + GAP).join('')
  }

  get size(): number {
    return this.#size
  }

  has(id: string): boolean {
    return this.#text.includes(GAP + packed(id) + GAP)
  }

  /** An id that is not in it. */
  add(id: string): void {
    this.#text += packed(id) + GAP
    this.#size++
  }
}

function packed(id: string): string {
  return id.includes(GAP) ? id.replaceAll(GAP, GAP_WITHIN) : id
}
