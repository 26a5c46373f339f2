import type { LiveStatus } from '../../actors/model/live.ts'
import type { Vehicle } from './fleet.ts'

/** What the list and the map show: every word of the query, and one of the statuses (none means all). */
export type Filter = Readonly<{ query: string; statuses: readonly LiveStatus[] }>

/** The vehicle's place in the list: numbers within an id count as numbers. */
export function sortKey(vehicleId: string): string {
  return vehicleId.toLowerCase().replace(/\d+/g, (digits) => digits.padStart(12, '0'))
}

/** Vehicles in the order of the list. */
export function ordered(vehicles: Iterable<Vehicle>): Vehicle[] {
  const keyed = Array.from(vehicles, (vehicle) => ({ key: sortKey(vehicle.vehicleId), vehicle }))
  keyed.sort((one, other) => (one.key < other.key ? -1 : one.key > other.key ? 1 : 0))
  return keyed.map(({ vehicle }) => vehicle)
}

/** Tests one vehicle. Made once for a filter, then asked ten thousand times. */
export function matcher({ query, statuses }: Filter): (vehicle: Vehicle) => boolean {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean)
  if (words.length === 0 && statuses.length === 0) return () => true
  return (vehicle) => {
    if (statuses.length > 0 && !statuses.includes(vehicle.status)) return false
    return words.every((word) => vehicle.haystack.includes(word))
  }
}
