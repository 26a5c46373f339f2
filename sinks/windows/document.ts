import {
  type RegionTotals,
  type RegionWindow,
  WINDOW_SIZES_S,
  type WindowSizeS,
} from '../../actors/model/window.ts'

/** A window as it stands in Redis: StreamPulse's nine fields to the byte as Jackson writes them, then ours. */
export function windowDocument(window: RegionWindow, writtenMs: number): string {
  const { regionId, startMs, sizeS, tripCount, lateCount, final, revision } = window
  const fields: readonly (readonly [string, string])[] = [
    ['regionId', String(regionId)],
    ['windowStart', instant(startMs)],
    ['windowEnd', instant(startMs + sizeS * 1_000)],
    ['tripCount', String(tripCount)],
    ['avgFare', double(window.avgFare)],
    ['totalDistance', double(window.totalDistance)],
    ['avgDuration', double(window.avgDuration)],
    ['p50Duration', double(window.p50Duration)],
    ['p95Duration', double(window.p95Duration)],
    ['totalFare', double(window.totalFare)],
    ['minFare', double(window.minFare)],
    ['maxFare', double(window.maxFare)],
    ['minDistance', double(window.minDistance)],
    ['maxDistance', double(window.maxDistance)],
    ['minDuration', double(window.minDuration)],
    ['maxDuration', double(window.maxDuration)],
    ['lateCount', String(lateCount)],
    ['final', String(final)],
    ['revision', String(revision)],
    ['updatedAt', instant(writtenMs)],
  ]
  return `{${fields.map(([name, value]) => `"${name}":${value}`).join(',')}}`
}

/** Reads what `windowDocument` wrote; throws when it is anything else. */
export function parseWindow(text: string): RegionWindow {
  const json = objectOf(text)
  const number = numberIn(json)
  const startMs = number('windowStart') * 1_000
  return {
    ...{
      regionId: number('regionId'),
      startMs,
      sizeS: sizeOf(number('windowEnd') - startMs / 1_000),
    },
    ...{ tripCount: number('tripCount'), lateCount: number('lateCount') },
    ...{ totalFare: number('totalFare'), avgFare: number('avgFare') },
    ...{ minFare: number('minFare'), maxFare: number('maxFare') },
    ...{ totalDistance: number('totalDistance') },
    ...{ minDistance: number('minDistance'), maxDistance: number('maxDistance') },
    ...{ avgDuration: number('avgDuration') },
    ...{ minDuration: number('minDuration'), maxDuration: number('maxDuration') },
    ...{ p50Duration: number('p50Duration'), p95Duration: number('p95Duration') },
    ...{ final: json.get('final') === true, revision: number('revision') },
  }
}

/** A region's totals as they stand in Redis. */
export function totalsDocument(totals: RegionTotals): string {
  const { regionId, trips, duplicates, late, tooLate, newestMs } = totals
  return JSON.stringify({ regionId, trips, duplicates, late, tooLate, newestMs })
}

/** Reads what `totalsDocument` wrote; throws when it is anything else. */
export function parseTotals(text: string): RegionTotals {
  const number = numberIn(objectOf(text))
  return {
    ...{ regionId: number('regionId'), trips: number('trips'), duplicates: number('duplicates') },
    ...{ late: number('late'), tooLate: number('tooLate'), newestMs: number('newestMs') },
  }
}

/** As Java prints a double: always with a fraction, with an exponent from ten millions on and below a thousandth. */
export function double(value: number): string {
  const size = Math.abs(value)
  if (size === 0 || (size >= 1e-3 && size < 1e7)) {
    return Number.isInteger(value) ? `${value}.0` : String(value)
  }
  const [mantissa = '', exponent = ''] = value.toExponential().split('e')
  return `${mantissa}${mantissa.includes('.') ? '' : '.0'}E${Number(exponent)}`
}

/** Epoch seconds with nine digits, as Jackson prints an Instant. */
function instant(ms: number): string {
  const seconds = Math.floor(ms / 1_000)
  const nanos = Math.floor((ms - seconds * 1_000) * 1e6)
  return `${seconds}.${String(nanos).padStart(9, '0')}`
}

function objectOf(text: string): ReadonlyMap<string, unknown> {
  const json: unknown = JSON.parse(text)
  if (typeof json !== 'object' || json === null) throw new Error('no object')
  return new Map(Object.entries(json))
}

function numberIn(json: ReadonlyMap<string, unknown>): (name: string) => number {
  return (name) => {
    const value = json.get(name)
    if (typeof value !== 'number') throw new Error(`${name} is no number`)
    return value
  }
}

function sizeOf(seconds: number): WindowSizeS {
  const size = WINDOW_SIZES_S.find((one) => one === seconds)
  if (size === undefined) throw new Error(`no window of ${seconds} s`)
  return size
}
