import { describe, expect, test } from 'bun:test'

import { VirtualClock } from '../actors/kernel/clock.ts'
import { parseTrip } from '../actors/model/trip.ts'
import type { IngestAnswer } from './ingest-client.ts'
import { sendLiveTrips } from './trips-live.ts'
import { csvRow, type MadeTrip, madeTrips, type TripsOptions } from './trips.ts'

const START_MS = Date.UTC(2025, 7, 17, 6)
const SPAN_MS = 18 * 3_600_000
const options: TripsOptions = {
  ...{ count: 20_000, seed: 7, regions: 5, startMs: START_MS, spanMs: SPAN_MS },
  ...{ disorderMs: null, duplicateShare: 0, lateShare: 0 },
}
const make = (some: Partial<TripsOptions> = {}): MadeTrip[] => [
  ...madeTrips({ ...options, ...some }),
]
const timeOf = (trip: MadeTrip): number => Date.parse(trip.event_time)

/** How far each trip is behind the latest one before it. */
function behindMs(trips: readonly MadeTrip[]): number[] {
  let latest = 0
  return trips.map((trip) => {
    latest = Math.max(latest, timeOf(trip))
    return latest - timeOf(trip)
  })
}

describe('made trips', () => {
  test('are the same for the same options, and others for another seed', () => {
    const rows = (some: Partial<TripsOptions>): string =>
      make({ count: 500, ...some })
        .map(csvRow)
        .join('\n')
    expect(rows({})).toBe(rows({}))
    expect(rows({ seed: 8 })).not.toBe(rows({}))
    expect(csvRow(make({ count: 1 })[0] as MadeTrip)).toMatch(
      /^trip_000000,[1-5],2025-08-17T0[67]:\d\d:\d\d\.\d{3}Z,\d+(\.\d{1,2})?,\d+,\d+(\.\d)?$/,
    )
  })

  test("have the shape of StreamPulse's: regions, ranges, hours; each of them valid", () => {
    const trips = make()
    expect(new Set(trips.map(({ trip_id }) => trip_id)).size).toBe(20_000)
    for (const trip of trips) {
      const parsed = parseTrip(trip, START_MS + SPAN_MS)
      if (!parsed.ok) throw new Error(JSON.stringify({ trip, parsed }))
      const inSpan = timeOf(trip) >= START_MS && timeOf(trip) <= START_MS + SPAN_MS - 60_000
      expect(inSpan && trip.fare >= 5 && trip.fare <= 100).toBe(true)
    }
    const share = (region: number): number =>
      trips.filter(({ region_id }) => region_id === region).length / trips.length
    for (const [n, weight] of [0.3, 0.2, 0.15, 0.15, 0.2].entries())
      expect(Math.abs(share(n + 1) - weight)).toBeLessThan(0.02)
    const mean = (field: 'fare' | 'duration' | 'distance'): number =>
      trips.reduce((sum, trip) => sum + trip[field], 0) / trips.length
    // Those of its file of 10,000: 40.7, 2,079 and 13.5.
    expect(mean('fare')).toBeWithin(38, 43)
    expect(mean('duration')).toBeWithin(2_000, 2_150)
    expect(mean('distance')).toBeWithin(13, 14.2)
    // Nine in ten are more than five minutes behind in file order, which is why a replay sorts.
    const far = behindMs(trips).filter((ms) => ms > 300_000).length / trips.length
    expect(far).toBeWithin(0.85, 0.95)
  })

  test('are as orderly, late and repeated as asked', () => {
    expect(Math.max(...behindMs(make({ disorderMs: 0 })))).toBe(0)
    const worst = Math.max(...behindMs(make({ disorderMs: 30_000 })))
    expect(worst).toBeWithin(30_000, 60_001)
    const late = behindMs(make({ disorderMs: 0, lateShare: 0.1 })).filter((ms) => ms > 0)
    expect(late.length / 20_000).toBeWithin(0.08, 0.12)
    expect(Math.max(...late)).toBeLessThanOrEqual(3_600_000)
    const repeated = make({ duplicateShare: 0.05 })
    expect(repeated.length - 20_000).toBeWithin(800, 1_200)
    expect(new Set(repeated.map(csvRow)).size).toBe(20_000)
    expect(new Set(make({ regions: 100 }).map(({ region_id }) => region_id)).size).toBe(100)
  })
})

describe('live trips', () => {
  const clock = new VirtualClock()
  const live = { seed: 1, regions: 5, run: 'r', clock, signal: new AbortController().signal }

  test('come at their rate, each of this moment, each its own', async () => {
    const trips: MadeTrip[] = []
    const send = (body: Uint8Array): Promise<IngestAnswer> => {
      const lines = Buffer.from(body).toString().trimEnd().split('\n')
      for (const line of lines) {
        const trip: MadeTrip = JSON.parse(line)
        expect(timeOf(trip)).toBe(clock.nowMs())
        trips.push(trip)
      }
      const counts = { accepted: lines.length, refusedCount: 0, duplicates: 0, late: 0 }
      return Promise.resolve({ ...counts, refused: [] })
    }
    const run = sendLiveTrips(send, { ...live, rate: 25, durationS: 10 })
    await clock.advanceMs(20_000)
    expect(await run).toEqual({ sent: 250, accepted: 250, refused: 0 })
    expect(new Set(trips.map(({ trip_id }) => trip_id)).size).toBe(250)
    const odd = sendLiveTrips(send, { ...live, run: 'odd', rate: 7.3, durationS: 10 })
    await clock.advanceMs(20_000)
    expect((await odd).sent).toBe(73)
  })

  test('after a server was slow no burst of old trips follows', async () => {
    let asked = 0
    const send = async (body: Uint8Array): Promise<IngestAnswer> => {
      if (asked++ === 0) await new Promise<void>((resolve) => clock.after(60_000, resolve))
      const accepted = Buffer.from(body).toString().trimEnd().split('\n').length
      return { accepted, refused: [], refusedCount: 0, duplicates: 0, late: 0 }
    }
    const run = sendLiveTrips(send, { ...live, rate: 100, durationS: 70 })
    await clock.advanceMs(100_000)
    const { sent } = await run
    expect(sent).toBeWithin(1_000, 1_400)
  })
})
