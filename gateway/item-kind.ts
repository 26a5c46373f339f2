import { z } from 'zod'

import type { Refusal } from '../actors/model/fact.ts'
import { parsePing, type Ping } from '../actors/model/ping.ts'
import { parseTrip, type Trip } from '../actors/model/trip.ts'
import type { Columns } from './csv.ts'
import type { GatewayOptions } from './options.ts'

/** One item, checked, or every reason why it is none. */
export type ParsedItem<Item> =
  Readonly<{ ok: true; item: Item }> | Readonly<{ ok: false; refusals: readonly Refusal[] }>

/** What tells one kind of message from the other on the same way in. */
export type ItemKind<Item> = Readonly<{
  noun: 'ping' | 'trip'
  /** Columns of a table (CSV) whose rows are such items; null when no table is read. */
  columns: Columns | null
  parse(value: unknown, receivedMs: number, options: GatewayOptions): ParsedItem<Item>
}>

/** GPS reports of vehicles. */
export const PINGS: ItemKind<Ping> = {
  noun: 'ping',
  columns: null,
  parse(value, receivedMs, { time }) {
    const parsed = parsePing(value, receivedMs, time)
    return parsed.ok ? { ok: true, item: parsed.ping } : parsed
  },
}

/** Finished trips. */
export const TRIPS: ItemKind<Trip> = {
  noun: 'trip',
  columns: {
    trip_id: 'text',
    region_id: 'number',
    event_time: 'text',
    fare: 'number',
    duration: 'number',
    distance: 'number',
  },
  parse(value, receivedMs, { tripTime }) {
    const parsed = parseTrip(value, receivedMs, tripTime)
    if (parsed.ok) return { ok: true, item: parsed.trip }
    const uncut = uncutRow.safeParse(value)
    return uncut.success ? { ok: false, refusals: [uncutRefusal(uncut.data)] } : parsed
  },
}

/** A row of a recording that could not be cut into fields, as who reads recordings sends it: with its reason. */
const uncutRow = z.strictObject({
  file: z.string(),
  line: z.int(),
  why: z.string(),
  raw: z.string(),
})

function uncutRefusal({ file, line, why }: z.output<typeof uncutRow>): Refusal {
  const expected = 'as many fields as the header names'
  return {
    code: 'invalid_csv',
    path: '',
    expected,
    received: why,
    message: `${file}, line ${line}: expected ${expected}, received ${why}`,
  }
}
