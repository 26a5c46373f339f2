import { expect, test } from 'bun:test'

import fc from 'fast-check'

import { ExactSum } from './exact-sum.ts'

function sumOf(values: readonly number[]): number {
  return ExactSum.of(values).total()
}

const UNIT_BITS = 1_074

/** The sum as a whole number of the smallest doubles, rounded once. */
function reckoned(values: readonly number[]): number {
  const view = new DataView(new ArrayBuffer(8))
  let sum = 0n
  for (const value of values) {
    view.setFloat64(0, value)
    const bits = view.getBigUint64(0)
    const exponent = (bits >> 52n) & 0x7ffn
    const fraction = bits & ((1n << 52n) - 1n)
    const units = exponent === 0n ? fraction : (fraction | (1n << 52n)) << (exponent - 1n)
    sum += value < 0 ? -units : units
  }
  const size = sum < 0n ? -sum : sum
  const cut = Math.max(0, size.toString(2).length - 64)
  const rest = size & ((1n << BigInt(cut)) - 1n)
  // A bit that stands for everything cut off keeps the rounding of Number() right.
  const kept = (size >> BigInt(cut)) | (rest > 0n ? 1n : 0n)
  const total = Number(kept) * 2 ** (cut - 500) * 2 ** (500 - UNIT_BITS)
  return sum < 0n ? -total : total
}

test('known sums come out as from fsum', () => {
  const big = 2 ** 53
  const harmonic = Array.from({ length: 1_000 }, (_, index) => 1 / (index + 1))
  const cases: readonly (readonly [readonly number[], number])[] = [
    [[], 0],
    [[0], 0],
    [Array.from({ length: 10 }, () => 0.1), 1],
    [[1e100, 1, -1e100, 1e-100, 1e50, -1, -1e50], 1e-100],
    [[big, -0.5, -(2 ** -54)], big - 1],
    [[big, 1, 2 ** -100], big + 2],
    [[big + 10, 1, 2 ** -100], big + 12],
    [[big - 4, 0.5, 2 ** -54], big - 3],
    [[1e16, 1, 1e-16], 10_000_000_000_000_002],
    [[1e16 - 2, 1 - 2 ** -53, -(1e16 - 2), -(1 - 2 ** -53)], 0],
    // Only the last one, far below what is cut into whole numbers, says that this is more than half way.
    [[1, 2 ** -53, 2 ** -120], 1 + 2 ** -52],
    [harmonic, 7.485470860550345],
  ]
  for (const [values, total] of cases) {
    expect(sumOf(values)).toBe(total)
    expect(reckoned(values)).toBe(total)
  }
})

const amounts = fc.oneof(
  fc.integer({ min: 0, max: 100_000 }).map((cents) => cents / 100),
  fc.double({ min: 0, max: 1_000, noNaN: true, noDefaultInfinity: true }),
  fc.double({ min: 0, max: 2 ** 21, noNaN: true, noDefaultInfinity: true }),
  fc.double({ min: 0, max: 1e-9, noNaN: true, noDefaultInfinity: true }),
  fc.double({ min: -1e18, max: 1e18, noNaN: true, noDefaultInfinity: true }),
)

test('a sum is the nearest double to the exact one, in any order', () => {
  const scenario = fc
    .array(amounts, { maxLength: 80 })
    .chain((values) =>
      fc.tuple(
        fc.constant(values),
        fc.shuffledSubarray(values, { minLength: values.length, maxLength: values.length }),
      ),
    )
  fc.assert(
    fc.property(scenario, ([values, shuffled]) => {
      const exact = reckoned(values) + 0
      expect(sumOf(values) + 0).toBe(exact)
      expect(sumOf(shuffled) + 0).toBe(exact)
    }),
    { numRuns: 500 },
  )
})

test('a sum goes on from its parts, which stay few', () => {
  const sum = new ExactSum()
  let copy = new ExactSum()
  for (let index = 0; index < 20_000; index++) {
    const fare = ((index * 7_919) % 100_000) / 100
    sum.add(fare)
    copy.add(fare)
    if (index % 97 === 0) copy = ExactSum.of(copy.parts())
  }
  expect(copy.total()).toBe(sum.total())
  expect(copy.parts()).toEqual(sum.parts())
  expect(sum.parts().length).toBeLessThanOrEqual(3)
})

test('millions of values carry over exactly, wherever their bits are', () => {
  const times = 2_200_001
  for (const value of [2 ** 20 - 2 ** -12, 1 - 2 ** -44, (2 ** 32 - 1) * 2 ** -76, 1 - 2 ** -53]) {
    const sum = new ExactSum()
    for (let index = 0; index < times; index++) sum.add(value)
    // The reckoning takes each bit of the count by itself.
    const powers = Array.from({ length: 22 }, (_, bit) =>
      times & (1 << bit) ? value * 2 ** bit : 0,
    )
    expect(sum.total()).toBe(reckoned(powers))
  }
})
