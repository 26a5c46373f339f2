/** Values up to here are cut into three whole numbers; others are rare, and kept as parts. */
const PLAIN_MAX = 2 ** 20
const LARGE_UNIT = 2 ** -12
const LIMB = 2 ** 32
/** Whole numbers grow to here and are exact; one more value never takes them beyond 2^53. */
const FULL = 2 ** 52

/**
 * A sum of doubles without rounding, so that it does not depend on the order of the additions. A fare is cut
 * into whole numbers of 2^-12, 2^-44 and 2^-76, and these are summed, which is exact. What does not fit
 * (nothing that is paid or driven) is kept as doubles that do not overlap (Shewchuk's expansions). The
 * total is rounded once, to the nearest double, as Python's `math.fsum` does. Values are finite, and so is their sum.
 */
export class ExactSum {
  #large = 0
  #middle = 0
  #small = 0
  #odd: number[] | null = null

  /** A sum of these. */
  static of(values: readonly number[]): ExactSum {
    const sum = new ExactSum()
    for (const value of values) sum.add(value)
    return sum
  }

  add(value: number): void {
    const scaled = value * 4_096
    const large = Math.floor(scaled)
    const rest = (scaled - large) * LIMB
    const middle = Math.floor(rest)
    const small = (rest - middle) * LIMB
    if (!(value >= 0 && value <= PLAIN_MAX) || small !== Math.floor(small)) {
      grow((this.#odd ??= []), value)
      return
    }
    this.#large += large
    this.#middle += middle
    this.#small += small
    if (this.#small >= FULL || this.#middle >= FULL || this.#large >= FULL) this.#carry()
  }

  /** A few doubles with exactly this sum, the least first; the same ones for the same sum of plain values. */
  parts(): number[] {
    this.#carry()
    const parts = this.#odd ? [...this.#odd] : []
    grow(parts, this.#small * LARGE_UNIT * LIMB ** -2)
    grow(parts, this.#middle * LARGE_UNIT * LIMB ** -1)
    grow(parts, this.#large * LARGE_UNIT)
    return parts
  }

  /** The double nearest to the sum; of two equally near, the even one. */
  total(): number {
    return rounded(this.parts())
  }

  #carry(): void {
    const toMiddle = Math.floor(this.#small / LIMB)
    this.#small -= toMiddle * LIMB
    this.#middle += toMiddle
    const toLarge = Math.floor(this.#middle / LIMB)
    this.#middle -= toLarge * LIMB
    this.#large += toLarge
    if (this.#large < FULL) return
    grow((this.#odd ??= []), this.#large * LARGE_UNIT)
    this.#large = 0
  }
}

/** Adds a value to doubles that do not overlap, least first; what they sum to stays exact. */
function grow(parts: number[], value: number): void {
  const { length } = parts
  let high = value
  let kept = 0
  for (let index = 0; index < length; index++) {
    const part = parts[index] ?? 0
    const sum = high + part
    const rest = Math.abs(high) < Math.abs(part) ? high - (sum - part) : part - (sum - high)
    if (rest !== 0) parts[kept++] = rest
    high = sum
  }
  if (high !== 0) parts[kept++] = high
  if (kept < length) parts.length = kept
}

/** The sum of doubles that do not overlap, rounded half to even. */
function rounded(parts: readonly number[]): number {
  let index = parts.length - 1
  let high = parts[index] ?? 0
  while (--index >= 0) {
    const part = parts[index] ?? 0
    const sum = high + part
    const rest = part - (sum - high)
    high = sum
    if (rest === 0) continue
    // Half way between two doubles, the parts below say to which side the sum lies.
    const below = parts[index - 1] ?? 0
    if ((rest < 0 && below < 0) || (rest > 0 && below > 0)) {
      const twice = rest * 2
      const next = high + twice
      if (next - high === twice) high = next
    }
    break
  }
  return high
}
