import { expect, test } from 'bun:test'

import fc from 'fast-check'

import type { Trip } from '../model/trip.ts'
import { regionBehavior } from './behavior.ts'
import { ByteReader, ByteWriter } from './bytes.ts'
import { REGION_STATE_VERSION } from './codec.ts'
import { heldWindows } from './state.ts'
import type { RegionState } from './state.ts'

const region = regionBehavior({ storedIdsMax: 20 })

function stateAfter(count: number, id: (index: number) => string): RegionState {
  const state = region.initial()
  for (let index = 0; index < count; index++) {
    const trip: Trip = {
      tripId: id(index),
      regionId: 5,
      eventTimeUs: 1_755_410_400_000_000 + index * 7_000_000,
      fareUsd: (index % 97) / 10,
      durationS: 60 + ((index * 37) % 7_141),
      distanceKm: 0.1 + index,
      extras: null,
    }
    const turn = { partition: 1_000, offset: index, receivedMs: 0 }
    region.receive(state, { trip, watermarkMs: -Infinity }, turn)
  }
  return state
}

test('a state comes back from its bytes, and leads to the same bytes', () => {
  for (const count of [0, 1, 40, 3_000]) {
    const bytes = region.encode(stateAfter(count, (index) => `trip_${index}`))
    const back = region.decode(bytes, REGION_STATE_VERSION)
    expect(region.encode(back)).toEqual(bytes)
    expect(back.totals.trips).toBe(count)
  }
})

test('ids of any characters come back; text without its other half as it is stored', () => {
  const odd = ['é', '🚕🚕', '', '\n', 'x'.repeat(50), '\ud83d', '名前']
  const state = stateAfter(odd.length, (index) => odd[index] ?? '')
  const back = region.decode(region.encode(state), REGION_STATE_VERSION)
  const ids = [...(back.windows[0]?.values() ?? [])].flatMap((window) => [...(window.ids ?? [])])
  expect(ids).toEqual(odd.map((id) => id.toWellFormed()))
  expect(back.windows[0]?.values().next().value?.ids).toEqual(
    state.windows[0]?.values().next().value?.ids ?? null,
  )
})

test('a large set of ids is not stored, so that a busy region costs little more than a quiet one', () => {
  const dense = (count: number) => {
    const state = region.initial()
    for (let index = 0; index < count; index++) {
      const trip: Trip = {
        tripId: `trip_${index}`,
        regionId: 5,
        eventTimeUs: index,
        fareUsd: 1,
        durationS: 60 + (index % 7_141),
        distanceKm: 1,
        extras: null,
      }
      const turn = { partition: 1_000, offset: index, receivedMs: 0 }
      region.receive(state, { trip, watermarkMs: -Infinity }, turn)
    }
    return state
  }
  const few = dense(20)
  const many = dense(30_000)
  expect(heldWindows(many)).toBe(4)
  const known = region.decode(region.encode(few), 1).windows[0]?.get(0)
  expect(known?.ids?.size).toBe(20)
  const bytes = region.encode(many)
  expect(region.decode(bytes, 1).windows[0]?.get(0)?.ids).toBeNull()
  // At most every duration there is, and how often, a window size.
  expect(bytes.length).toBeLessThan(4 * 2 * 7_200)
})

test('damaged bytes and other versions are never read as a state', () => {
  const bytes = region.encode(stateAfter(30, (index) => `trip_${index}`))
  expect(() => region.decode(bytes, REGION_STATE_VERSION + 1)).toThrow('version')
  expect(() => region.decode(bytes, 0)).toThrow('version')
  for (let length = 0; length < bytes.length; length++) {
    expect(() => region.decode(bytes.subarray(0, length), REGION_STATE_VERSION)).toThrow()
  }
  const longer = new Uint8Array([...bytes, 0])
  expect(() => region.decode(longer, REGION_STATE_VERSION)).toThrow('longer')
})

test('numbers and texts come back from a writer', () => {
  const written = fc.array(
    fc.oneof(
      fc.record({ kind: fc.constant('count' as const), value: fc.maxSafeNat() }),
      fc.record({ kind: fc.constant('count' as const), value: fc.nat(300) }),
      fc.record({ kind: fc.constant('double' as const), value: fc.double() }),
      fc.record({ kind: fc.constant('text' as const), value: fc.string({ unit: 'grapheme' }) }),
    ),
    { maxLength: 2_000, size: 'max' },
  )
  const writer = new ByteWriter()
  fc.assert(
    fc.property(written, (items) => {
      for (const item of items) {
        if (item.kind === 'text') writer.text(item.value)
        else writer[item.kind](item.value)
      }
      const reader = new ByteReader(writer.take())
      expect(items.map(({ kind }) => reader[kind]())).toEqual(items.map(({ value }) => value))
      expect(reader.left).toBe(0)
    }),
    { numRuns: 50 },
  )
})
