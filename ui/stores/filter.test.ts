import { expect, test } from 'bun:test'

import { type LiveStatus, packPosition } from '../../actors/model/live.ts'
import { matcher, ordered, sortKey } from './filter.ts'
import { Fleet } from './fleet.ts'

const STATUSES: readonly LiveStatus[] = ['started', 'en_route', 'completed', 'silent']

function fleetOf(size: number): Fleet {
  const fleet = new Fleet(() => 1_000)
  const pos: number[] = []
  const vehicles = Array.from({ length: size }, (_, index) => {
    packPosition(pos, {
      handle: index,
      lat: 38,
      lng: 23.7,
      headingDeg: 0,
      speedKmh: 10,
      status: STATUSES[index % 4] ?? 'silent',
      fixMs: 1_000,
      travelledM: 0,
      remainingM: 0,
    })
    const place = { startLat: 38, startLng: 23.7, endLat: 38, endLng: 23.8 }
    const ids = { sessionId: `s-${index}`, vehicleId: `VAN-${index}`, orderId: `ORD-${index * 7}` }
    return { handle: index, ...ids, ...place }
  })
  fleet.applySnapshot('e', 0, { nowMs: 1_000, vehicles, pos, events: [] })
  return fleet
}

test('numbers in an id count as numbers in the list', () => {
  const names = ['VAN-10', 'van-9', 'BIKE-100', 'VAN-1']
  expect(names.toSorted((one, other) => (sortKey(one) < sortKey(other) ? -1 : 1))).toEqual([
    'BIKE-100',
    'VAN-1',
    'van-9',
    'VAN-10',
  ])
})

test('a search wants every word, in any id, in any case', () => {
  const all = ordered(fleetOf(100).vehicles)
  const found = (query: string): string[] =>
    all.filter(matcher({ query, statuses: [] })).map(({ vehicleId }) => vehicleId)
  expect(found('van-42')).toEqual(['VAN-42'])
  expect(found('ord-77  VAN')).toEqual(['VAN-11'])
  expect(found('s-99')).toEqual(['VAN-99'])
  expect(found('nothing')).toEqual([])
  expect(found('  ').length).toBe(100)
})

test('a status filter and a search hold together', () => {
  const all = ordered(fleetOf(100).vehicles)
  const both = all.filter(matcher({ query: 'van-1', statuses: ['silent', 'completed'] }))
  expect(both.map(({ vehicleId }) => vehicleId)).toEqual([
    'VAN-10',
    'VAN-11',
    'VAN-14',
    'VAN-15',
    'VAN-18',
    'VAN-19',
  ])
})

test('ten thousand vehicles are all found by nothing and one by its id', () => {
  const all = ordered(fleetOf(10_000).vehicles)
  expect(all.filter(matcher({ query: '', statuses: [] })).length).toBe(10_000)
  expect(all.filter(matcher({ query: 's-9999', statuses: [] })).length).toBe(1)
})
