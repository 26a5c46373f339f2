import { deadLetterEntry } from '../kernel/entries.ts'
import type { JournalEntry } from '../kernel/journal.ts'
import type { Refusal } from '../model/fact.ts'
import { parsePing } from '../model/ping.ts'
import { parseTrip } from '../model/trip.ts'

/** Who is said to have sent what another program wrote into the topic. */
export const FOREIGN_SOURCE = 'kafka'

/** Bytes of it that a dead letter keeps. */
const RAW_BYTES_MAX = 65_536

type Kind = 'pings' | 'trips'

/**
 * A record that another program wrote (PacketPulse's gateway, StreamPulse's producer): one message, received when
 * Kafka says. What cannot be used becomes a dead letter, under the record's own name.
 */
export function foreignEntry(
  value: Uint8Array | null,
  kind: Kind,
  receivedMs: number,
): JournalEntry {
  const raw = value ?? new Uint8Array()
  const refusal = refusalOf(raw, kind, receivedMs)
  const at = { receivedMs, source: FOREIGN_SOURCE }
  if (!refusal) return { ...at, kind, count: 1, payload: raw }
  const truncated = raw.byteLength > RAW_BYTES_MAX
  return deadLetterEntry({ ...refusal, ...at, raw: raw.subarray(0, RAW_BYTES_MAX), truncated })
}

function refusalOf(raw: Uint8Array, kind: Kind, receivedMs: number): Refusal | null {
  let message: unknown
  try {
    message = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(raw))
  } catch {
    const received = raw.byteLength === 0 ? 'nothing' : 'something else'
    const sentence = `expected JSON, received ${received}`
    return { code: 'invalid_json', path: '', expected: 'JSON', received, message: sentence }
  }
  const parsed = kind === 'pings' ? parsePing(message, receivedMs) : parseTrip(message, receivedMs)
  return parsed.ok ? null : (parsed.refusals[0] ?? null)
}
