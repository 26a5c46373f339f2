import { describe, expect, test } from 'bun:test'

import { buildCity } from '../actors/model/city.ts'
import { distanceM } from '../actors/model/geo.ts'
import { parseEventTimeUs } from '../actors/model/time.ts'
import { createFleet, type FleetOptions } from './fleet.ts'
import type { WirePing } from './wire.ts'

const START_MS = 1_790_000_000_000
const city = buildCity()
const KEYS =
  'device_id vehicle_id session_id order_id status timestamp start_lat start_lon end_lat end_lon current_lat current_lon route_name waypoint_count'

function drive(options: Partial<FleetOptions>, seconds: number, stepMs = 100): WirePing[] {
  const fleet = createFleet({
    vehicles: 40,
    seed: 7,
    rateHz: 1,
    speed: 1,
    run: 'a',
    city,
    ...options,
  })
  const pings: WirePing[] = []
  for (let ms = 0; ms < seconds * 1_000; ms += stepMs) pings.push(...fleet.step(START_MS + ms))
  return pings
}

function bySession(pings: readonly WirePing[]): WirePing[][] {
  return [...Map.groupBy(pings, (ping) => ping.session_id).values()]
}

function movedM(from: WirePing, to: WirePing): number {
  return distanceM(from.current_lat, from.current_lon, to.current_lat, to.current_lon)
}

describe('a fleet', () => {
  test('says the same for the same seed and run, however often it is asked', () => {
    const often = drive({ noiseM: 3 }, 60, 20)
    const seldom = drive({ noiseM: 3 }, 60, 500)
    expect(seldom.length).toBeGreaterThan(2_000)
    expect(often.slice(0, seldom.length)).toEqual(seldom)
    expect(drive({ seed: 8 }, 5)[0]?.current_lat).not.toBe(often[0]?.current_lat)
  })

  test('two runs of a seed share vehicles and ways, never sessions or orders', () => {
    const first = drive({ run: 'a' }, 10)
    const second = drive({ run: 'b' }, 10)
    expect(second.map((ping) => ping.current_lat)).toEqual(first.map((ping) => ping.current_lat))
    expect(second.map((ping) => ping.vehicle_id)).toEqual(first.map((ping) => ping.vehicle_id))
    const ids = new Set(first.flatMap((ping) => [ping.session_id, ping.order_id]))
    expect(second.some((ping) => ids.has(ping.session_id) || ids.has(ping.order_id))).toBe(false)
  })

  test('writes every key in the order of the contract, with ids that a gateway takes', () => {
    for (const ping of drive({}, 2)) {
      expect(Object.keys(ping).join(' ')).toBe(KEYS)
      expect(ping.vehicle_id).toMatch(/^(VAN|EV|MOTO|BIKE)-\d{4}$/)
      expect(ping.session_id).toMatch(
        /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
      )
      expect(ping.timestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/)
    }
  })

  test('sends started once and first, en_route between, completed once and last at the destination', () => {
    const sessions = bySession(drive({ speed: 8, noiseM: 5 }, 300))
    const done = sessions.filter((session) => session.at(-1)?.status === 'completed')
    expect(done.length).toBeGreaterThan(100)
    for (const session of sessions) {
      const [first, ...rest] = session
      const last = rest.at(-1)
      expect(first?.status).toBe('started')
      const middle = last?.status === 'completed' ? rest.slice(0, -1) : rest
      expect(middle.every((ping) => ping.status === 'en_route')).toBe(true)
      if (last?.status !== 'completed') continue
      expect([last.current_lat, last.current_lon]).toEqual([last.end_lat, last.end_lon])
    }
    for (const vehicle of Map.groupBy(done.flat(), (ping) => ping.vehicle_id).values()) {
      const orders = new Set(vehicle.map((ping) => ping.order_id))
      expect(orders.size).toBe(new Set(vehicle.map((ping) => ping.session_id)).size)
    }
  })

  test('starts one step from the start, begins again where it ended, and its times rise', () => {
    const pings = drive({ speed: 8 }, 300)
    for (const session of bySession(pings)) {
      const times = session.map((ping) => parseEventTimeUs(ping.timestamp) ?? 0)
      expect(times.every((us, index) => index === 0 || us > (times[index - 1] ?? 0))).toBe(true)
      const first = session[0]
      if (!first) throw new Error('an empty session')
      const awayM = distanceM(
        first.start_lat,
        first.start_lon,
        first.current_lat,
        first.current_lon,
      )
      expect(awayM).toBeLessThan((8 * 95) / 3.6)
    }
    for (const vehicle of Map.groupBy(pings, (ping) => ping.vehicle_id).values()) {
      const legs = bySession(vehicle)
      legs.slice(1).forEach((leg, index) => {
        const before = legs[index]?.[0]
        expect([leg[0]?.start_lat, leg[0]?.start_lon]).toEqual([before?.end_lat, before?.end_lon])
      })
    }
  })

  test('drives at plausible speeds and stands at times', () => {
    const speeds = bySession(drive({ vehicles: 100 }, 240)).flatMap((session) =>
      session.slice(1).map((ping, index) => movedM(session[index] ?? ping, ping) * 3.6),
    )
    const moving = speeds.filter((kmh) => kmh > 1)
    const mean = moving.reduce((sum, kmh) => sum + kmh, 0) / moving.length
    expect(Math.max(...speeds)).toBeLessThan(96)
    expect(mean).toBeGreaterThan(15)
    expect(mean).toBeLessThan(60)
    const standing = 1 - moving.length / speeds.length
    expect(standing).toBeGreaterThan(0.05)
    expect(standing).toBeLessThan(0.4)
  })

  test('speeds up and brakes as a vehicle can', () => {
    for (const session of bySession(drive({}, 120))) {
      const speeds = session.slice(1).map((ping, index) => movedM(session[index] ?? ping, ping))
      speeds.slice(1).forEach((ms, index) => {
        expect(ms - (speeds[index] ?? 0)).toBeLessThan(4)
        expect((speeds[index] ?? 0) - ms).toBeLessThan(7)
      })
    }
  })

  test('shows every vehicle within its first second, all over the city', () => {
    const pings = drive({ vehicles: 200 }, 1.01)
    expect(new Set(pings.map((ping) => ping.vehicle_id)).size).toBe(200)
    expect(pings.slice(0, 200).every((ping) => ping.status === 'started')).toBe(true)
    const lats = pings.map((ping) => ping.current_lat)
    expect(Math.max(...lats) - Math.min(...lats)).toBeGreaterThan(0.1)
  })

  test('keeps the GPS error small and the destination exact', () => {
    const exact = drive({ noiseM: 0 }, 60)
    const noisy = drive({ noiseM: 4 }, 1)
    const off = noisy.map((ping, index) => movedM(exact[index] ?? ping, ping))
    expect(Math.max(...off)).toBeLessThan(30)
    expect(Math.max(...off)).toBeGreaterThan(0)
  })

  test('goes on after a long sleep and after its clock was set back, and does not catch up', () => {
    const fleet = createFleet({ vehicles: 40, seed: 7, rateHz: 1, speed: 1, run: 'a', city })
    fleet.step(START_MS)
    expect(fleet.step(START_MS + 3_600_000).length).toBeLessThan(3)
    expect(fleet.step(START_MS + 3_601_000).length).toBeLessThanOrEqual(41)
    expect(fleet.step(START_MS).length).toBeLessThan(3)
    expect(fleet.step(START_MS + 1_000).length).toBeGreaterThan(38)
  })
})
