import { WINDOW_SIZES_S, type WindowSizeS } from '../../actors/model/window.ts'
import type { HeldTotals, HeldWindow, LedgerEntry } from './ledger.ts'

/** Version of the encoding; a higher one was written by a newer program. */
const VERSION = 1
const HEAD_LENGTH = 8
const TOTALS_LENGTH = 7
const WINDOW_LENGTH = 21

/** As 64-bit numbers only: exact for every figure, 168 bytes a window. */
export function encodeEntry(entry: LedgerEntry, slots: number): Uint8Array {
  const { totals, windows } = entry
  const numbers = new Float64Array(
    HEAD_LENGTH + totals.length * TOTALS_LENGTH + windows.length * WINDOW_LENGTH,
  )
  const { sequence, oldest, fence, watermarkMs } = entry
  const counts = [totals.length, windows.length]
  numbers.set([VERSION, slots, sequence, oldest, fence, watermarkMs ?? NaN, ...counts])
  let at = HEAD_LENGTH
  for (const held of totals) {
    numbers.set(totalsNumbers(held), at)
    at += TOTALS_LENGTH
  }
  for (const held of windows) {
    numbers.set(windowNumbers(held), at)
    at += WINDOW_LENGTH
  }
  return new Uint8Array(numbers.buffer)
}

/** Reads what `encodeEntry` wrote; throws when it is anything else. */
export function decodeEntry(bytes: Uint8Array, slots: number): LedgerEntry {
  if (bytes.length % 8 !== 0 || bytes.length < HEAD_LENGTH * 8) throw new Error('not whole')
  const numbers = new Float64Array(bytes.slice().buffer)
  const [version, slotsThen, sequence, oldest, fence, watermarkMs, totalsCount, windowsCount] =
    numbers
  if (version !== VERSION) throw new Error(`version ${version}, not ${VERSION}`)
  if (slotsThen !== slots) throw new Error(`written for ${slotsThen} slots, not ${slots}`)
  const totalsEnd = HEAD_LENGTH + whole(totalsCount) * TOTALS_LENGTH
  if (numbers.length !== totalsEnd + whole(windowsCount) * WINDOW_LENGTH) {
    throw new Error('not as long as it says')
  }
  const totals: HeldTotals[] = []
  for (let at = HEAD_LENGTH; at < totalsEnd; at += TOTALS_LENGTH) {
    totals.push(totalsOf(numbers.subarray(at, at + TOTALS_LENGTH)))
  }
  const windows: HeldWindow[] = []
  for (let at = totalsEnd; at < numbers.length; at += WINDOW_LENGTH) {
    windows.push(windowOf(numbers.subarray(at, at + WINDOW_LENGTH)))
  }
  return {
    ...{ sequence: whole(sequence), oldest: whole(oldest), fence: whole(fence) },
    watermarkMs: watermarkMs === undefined || Number.isNaN(watermarkMs) ? null : watermarkMs,
    ...{ totals, windows },
  }
}

function totalsNumbers({ totals, offset }: HeldTotals): number[] {
  const { regionId, trips, duplicates, late, tooLate, newestMs } = totals
  return [offset, regionId, trips, duplicates, late, tooLate, newestMs]
}

function totalsOf(numbers: Float64Array): HeldTotals {
  const [offset, regionId, trips, duplicates, late, tooLate, newestMs] = seven(numbers)
  return { offset, totals: { regionId, trips, duplicates, late, tooLate, newestMs } }
}

function windowNumbers({ window, offset, writtenMs }: HeldWindow): number[] {
  const { regionId, sizeS, startMs, tripCount, lateCount, final, revision } = window
  const { totalFare, avgFare, minFare, maxFare } = window
  const { totalDistance, minDistance, maxDistance } = window
  const { avgDuration, minDuration, maxDuration, p50Duration, p95Duration } = window
  return [
    ...[offset, writtenMs, regionId, sizeS, startMs, tripCount, lateCount],
    ...[totalFare, avgFare, minFare, maxFare, totalDistance, minDistance, maxDistance],
    ...[avgDuration, minDuration, maxDuration, p50Duration, p95Duration, final ? 1 : 0, revision],
  ]
}

function windowOf(numbers: Float64Array): HeldWindow {
  const [offset, writtenMs, regionId, sizeS, startMs, tripCount, lateCount] = seven(numbers)
  const [totalFare, avgFare, minFare, maxFare, totalDistance, minDistance, maxDistance] = seven(
    numbers.subarray(7),
  )
  const [avgDuration, minDuration, maxDuration, p50Duration, p95Duration, final, revision] = seven(
    numbers.subarray(14),
  )
  const window = {
    ...{ regionId, sizeS: sizeOf(sizeS), startMs, tripCount, lateCount },
    ...{ totalFare, avgFare, minFare, maxFare, totalDistance, minDistance, maxDistance },
    ...{ avgDuration, minDuration, maxDuration, p50Duration, p95Duration },
    ...{ final: final === 1, revision },
  }
  return { window, offset, writtenMs }
}

type Seven = [number, number, number, number, number, number, number]

function seven(numbers: Float64Array): Seven {
  const [a = NaN, b = NaN, c = NaN, d = NaN, e = NaN, f = NaN, g = NaN] = numbers
  return [a, b, c, d, e, f, g]
}

function sizeOf(value: number): WindowSizeS {
  const size = WINDOW_SIZES_S.find((one) => one === value)
  if (size === undefined) throw new Error(`no window of ${value} s`)
  return size
}

function whole(value: number | undefined): number {
  if (value === undefined || !Number.isSafeInteger(value)) throw new Error(`no whole number`)
  return value
}
