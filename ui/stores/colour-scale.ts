/** Steps of colour on the map; 0 is the faintest. */
export const STEPS = 7

/** From values to steps of colour. */
export type ColourScale = Readonly<{ low: number; high: number; stepOf(value: number): number }>

/** A scale over the values there are; counts begin at nothing, means at their lowest. */
export function scaleOver(values: readonly number[], from: 'zero' | 'lowest'): ColourScale {
  let low = from === 'zero' ? 0 : Infinity
  let high = from === 'zero' ? 0 : -Infinity
  for (const value of values) {
    if (!Number.isFinite(value)) continue
    low = Math.min(low, value)
    high = Math.max(high, value)
  }
  if (low > high) [low, high] = [0, 0]
  const range = high - low
  return {
    low,
    high,
    stepOf(value) {
      if (range <= 0) return value > 0 ? STEPS - 1 : 0
      const part = (value - low) / range
      return Math.max(0, Math.min(STEPS - 1, Math.floor(part * STEPS)))
    },
  }
}

/** The next round number at or above: 1, 2, 4, 5, 8 times a power of ten, so that halves stay round. */
export function roundUp(value: number): number {
  if (!(value > 0)) return 1
  const power = 10 ** Math.floor(Math.log10(value))
  return ([1, 2, 4, 5, 8].find((step) => step * power >= value - power * 1e-9) ?? 10) * power
}

/** The same for counts: half of it is whole as well, so that an axis can name both. */
export function roundUpCount(value: number): number {
  const top = roundUp(value)
  return top % 2 === 1 ? top + 1 : top
}
