import { WINDOW_SIZES_S } from '../model/window.ts'
import type { WindowSizeS } from '../model/window.ts'
import { ByteReader, ByteWriter } from './bytes.ts'
import { DURATION_MAX_S, DURATION_MIN_S } from './durations.ts'
import { ExactSum } from './exact-sum.ts'
import { HeldWindow } from './held-window.ts'
import { PastMinutes } from './past-minutes.ts'
import { markDirty, unknownRegion } from './state.ts'
import type { RegionState } from './state.ts'

/** Version of the bytes that `encodeRegion` writes. */
export const REGION_STATE_VERSION = 1

const FINAL = 1
const DIRTY = 2
const IDS = 4

const writer = new ByteWriter()

/**
 * A region's state as bytes. The ids of past minutes are left out, and so are the ids of minutes with more than
 * `storedIdsMax` trips: they are looked up again.
 */
export function encodeRegion(state: RegionState, storedIdsMax: number): Uint8Array {
  writer.count(state.regionId)
  writer.count(state.seenOffset + 1)
  writer.double(state.watermarkMs)
  writer.double(state.floorMs)
  const { trips, duplicates, late, tooLate, newestMs } = state.totals
  for (const figure of [trips, duplicates, late, tooLate]) writer.count(figure)
  writer.double(newestMs)
  writer.count(state.totalsChanged ? 1 : 0)
  writer.count(state.lateMarks.size)
  for (const [key, mark] of state.lateMarks) {
    writer.double(key)
    writer.count(mark.count)
  }
  for (const windows of state.windows) {
    writer.count(windows.size)
    for (const window of windows.values()) writeWindow(window, storedIdsMax)
  }
  return writer.take()
}

function writeWindow(window: HeldWindow, storedIdsMax: number): void {
  const ids = window.ids && window.ids.size <= storedIdsMax ? window.ids : null
  writer.double(window.index)
  writer.count((window.final ? FINAL : 0) | (window.dirty ? DIRTY : 0) | (ids ? IDS : 0))
  writer.count(window.lateCount)
  writeSum(window.fares)
  writeSum(window.distances)
  for (const bound of [window.minFare, window.maxFare, window.minDistance, window.maxDistance]) {
    writer.double(bound)
  }
  writer.count(window.durations.count)
  let before = 0
  window.durations.forEach((durationS, times) => {
    writer.count(durationS - before)
    writer.count(times)
    before = durationS
  })
  if (!ids) return
  // One text and its cuts: a call for each id would cost more than its bytes.
  writer.count(ids.size)
  for (const id of ids) writer.count(id.length)
  writer.text([...ids].join(''))
}

function writeSum(sum: ExactSum): void {
  const parts = sum.parts()
  writer.count(parts.length)
  for (const part of parts) writer.double(part)
}

/** Reads what `encodeRegion` wrote. Throws on another version or damaged bytes. */
export function decodeRegion(bytes: Uint8Array, version: number): RegionState {
  if (version !== REGION_STATE_VERSION) throw new RangeError(`region state of version ${version}`)
  const reader = new ByteReader(bytes)
  const state = unknownRegion()
  state.regionId = reader.count()
  state.seenOffset = reader.count() - 1
  state.watermarkMs = reader.double()
  state.floorMs = reader.double()
  state.totals = {
    trips: reader.count(),
    duplicates: reader.count(),
    late: reader.count(),
    tooLate: reader.count(),
    newestMs: reader.double(),
  }
  state.totalsChanged = reader.count() === 1
  for (let left = reader.count(); left > 0; left--) readLateMark(reader, state)
  state.windows.forEach((windows, place) => {
    for (let left = reader.count(); left > 0; left--) {
      const window = readWindow(reader, state, WINDOW_SIZES_S[place] ?? 60)
      windows.set(window.index, window)
    }
  })
  if (reader.left > 0) throw new RangeError('region state is longer than its content')
  // Every minute that takes no trip any more may have had some.
  state.past = new PastMinutes(Math.floor((state.floorMs + 1) / 60_000) - 1)
  // The allowed lateness may be another one now: the first tide finds out.
  state.nextDueMs = -Infinity
  return state
}

function readLateMark(reader: ByteReader, state: RegionState): void {
  const key = reader.double()
  const count = reader.count()
  const index = Math.floor(key / WINDOW_SIZES_S.length)
  const sizeS = WINDOW_SIZES_S[key - index * WINDOW_SIZES_S.length]
  if (!sizeS) throw new RangeError('region state names no window size')
  state.lateMarks.set(key, { sizeS, startMs: index * sizeS * 1_000, count })
}

function readWindow(reader: ByteReader, state: RegionState, sizeS: WindowSizeS): HeldWindow {
  const index = reader.double()
  if (!Number.isSafeInteger(index)) throw new RangeError('region state names no window')
  const flags = reader.count()
  const lateCount = reader.count()
  const sums = { fares: readSum(reader), distances: readSum(reader) }
  const window = new HeldWindow(sizeS, index, sums)
  window.final = (flags & FINAL) !== 0
  window.lateCount = lateCount
  window.minFare = reader.double()
  window.maxFare = reader.double()
  window.minDistance = reader.double()
  window.maxDistance = reader.double()
  const { durations } = window
  let durationS = 0
  const count = reader.count()
  while (durations.count < count) {
    durationS += reader.count()
    if (durationS < DURATION_MIN_S || durationS > DURATION_MAX_S) {
      throw new RangeError('region state has a duration that no trip has')
    }
    durations.add(durationS, reader.count())
  }
  if (flags & IDS) window.ids = readIds(reader)
  if (flags & DIRTY) markDirty(state, window)
  return window
}

function readSum(reader: ByteReader): ExactSum {
  const parts: number[] = []
  for (let left = reader.count(); left > 0; left--) parts.push(reader.double())
  return ExactSum.of(parts)
}

function readIds(reader: ByteReader): Set<string> {
  const lengths: number[] = []
  for (let left = reader.count(); left > 0; left--) lengths.push(reader.count())
  const text = reader.text()
  const ids = new Set<string>()
  let at = 0
  for (const length of lengths) ids.add(text.slice(at, (at += length)))
  if (at !== text.length) throw new RangeError('region state cuts its ids wrongly')
  return ids
}
