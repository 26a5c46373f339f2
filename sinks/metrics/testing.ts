import type { Fact } from '../../actors/model/fact.ts'
import { COUNT_NAMES } from './counts.ts'
import type { Marks } from './memory-store.ts'
import type { MetricsState } from './store.ts'

/** The moment around which test facts happen: 2026-07-01T12:00:00Z. */
export const NOON_MS = Date.UTC(2026, 6, 1, 12)

/** Where a save stops, as a killed process would, counted over the saves to come. */
export type SaveFault = 'before' | 'after' | null

/** Marks that survive what uses them; saves fail when told. */
export class TestMarks implements Marks {
  readonly stored = new Map<string, Uint8Array>()
  /** One a save: the first is taken off. */
  readonly faults: SaveFault[] = []
  saves = 0

  async saveMark(name: string, value: Uint8Array): Promise<void> {
    this.saves++
    const fault = this.faults.shift() ?? null
    if (fault === 'before') throw new Error('stopped before the mark')
    this.stored.set(name, value.slice())
    if (fault === 'after') throw new Error('stopped after the mark')
  }

  loadMark(name: string): Uint8Array | null {
    return this.stored.get(name) ?? null
  }
}

/** Every count as a text repeated as often as it counts: states and facts compare as sets with doubles. */
export function expand(state: Omit<MetricsState, 'offset'>): string[] {
  const texts: string[] = []
  const repeat = (name: string, times: number): void => {
    for (let time = 0; time < times; time++) texts.push(name)
  }
  for (const name of COUNT_NAMES) {
    repeat(`all ${name}`, state.totals[name])
    for (const [minute, counts] of state.minutes) repeat(`${minute} ${name}`, counts[name])
  }
  return texts
}

/** A fact of each kind in turn, all of the message at `offset`; `seed` spreads them over minutes. */
export function testFact(offset: number, seed: number, text = 'text'): Fact {
  const atMs = NOON_MS - ((offset * 7 + seed) % 30) * 60_000
  const name = { partition: 0, offset, part: 0, sessionId: text, receivedMs: atMs }
  const eventTimeUs = (atMs - 90_000) * 1_000
  const statuses = ['started', 'en_route', 'completed'] as const
  switch (offset % 6) {
    case 0:
      return {
        ...name,
        kind: 'pings',
        count: 1 + (offset % 4),
        source: text,
        payload: new Uint8Array(),
      }
    case 1: {
      const place = { startLat: 38, startLng: 23.7, endLat: 38, endLng: 23.8 }
      const who = { vehicleId: text, orderId: text, deviceId: text }
      return { ...name, ...place, ...who, kind: 'header', revision: 0, createdAtUs: eventTimeUs }
    }
    case 2: {
      const status = statuses[Math.floor(offset / 6) % 3] ?? 'started'
      return {
        ...name,
        kind: 'status',
        eventId: text,
        revision: 0,
        status,
        from: null,
        eventTimeUs,
      }
    }
    case 3: {
      const at = {
        lat: 38,
        lng: 23.7,
        speedKmh: null,
        headingDeg: null,
        late: false,
        remainingCm: 0,
      }
      const far = { distanceCm: 1 + (offset % 9), travelledCm: 0, movementId: text }
      return { ...name, ...at, ...far, kind: 'movement', status: 'en_route', eventTimeUs }
    }
    case 4:
      return { ...name, kind: 'alert', alert: 'silent', dueMs: atMs, firedMs: atMs, late: false }
    default: {
      const why = { code: 'invalid_json', path: '', expected: text, received: text, message: text }
      const raw = new TextEncoder().encode(text)
      return { ...name, ...why, kind: 'dead_letter', raw, truncated: false, source: text }
    }
  }
}
