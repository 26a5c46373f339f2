import { expect, test } from 'bun:test'

import fc from 'fast-check'

import type { Trip } from '../model/trip.ts'
import { TideGauge } from './tide-gauge.ts'

const tripAt = (eventTimeUs: number): Trip => ({
  tripId: String(eventTimeUs),
  regionId: 1,
  eventTimeUs,
  fareUsd: 1,
  durationS: 60,
  distanceKm: 1,
  extras: null,
})

test('a trip carries the watermark before it, and the tide the one after the frame', () => {
  const gauge = TideGauge.from(null)
  const { arrivals, tide } = gauge.stamp([tripAt(600_000_999), tripAt(1), tripAt(700_000_000)], 0)
  expect(arrivals.map(({ watermarkMs }) => watermarkMs)).toEqual([-Infinity, 299_999, 299_999])
  expect(tide).toEqual({ watermarkMs: 399_999, flush: false })
  expect(gauge.tide(true)).toEqual({ watermarkMs: 399_999, flush: true })
  expect(gauge.stamp([tripAt(5)], 3).tide.watermarkMs).toBe(399_999)
})

test('the bound is a setting', () => {
  const gauge = TideGauge.from(null, 1_000)
  expect(gauge.stamp([tripAt(5_000_000)], 0).tide.watermarkMs).toBe(3_999)
})

test('a frame that a checkpoint cuts through counts as not there yet', () => {
  const gauge = TideGauge.from(null)
  gauge.stamp([tripAt(10), tripAt(20)], 0)
  gauge.stamp([tripAt(40), tripAt(30)], 2)
  gauge.stamp([tripAt(50)], 4, 5)
  expect([0, 1, 2, 3, 4, 5].map((offset) => gauge.noteAt(offset))).toEqual([
    null,
    20,
    20,
    40,
    40,
    50,
  ])
})

test('from a note, the frames behind it are stamped as they were', () => {
  const scenario = fc.record({
    frames: fc.array(fc.array(fc.integer({ min: 0, max: 10_000_000_000 }), { maxLength: 5 }), {
      maxLength: 20,
    }),
    cuts: fc.array(fc.nat(100), { maxLength: 5 }),
  })
  fc.assert(
    fc.property(scenario, ({ frames, cuts }) => {
      const gauge = TideGauge.from(null)
      let offset = 0
      const stamped = frames.map((times) => {
        const first = offset
        // An empty frame is a flush or a dead letter: an offset, and no trip.
        offset += Math.max(1, times.length)
        const trips = times.map(tripAt)
        return { first, last: offset - 1, trips, ...gauge.stamp(trips, first) }
      })
      for (const cut of cuts.toSorted((a, b) => a - b)) {
        const again = TideGauge.from(gauge.noteAt(cut))
        for (const { first, last, trips, arrivals, tide } of stamped) {
          if (last <= cut) continue
          expect(again.stamp(trips, first)).toEqual({ arrivals, tide })
        }
      }
    }),
  )
})
