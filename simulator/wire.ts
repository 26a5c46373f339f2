import type { Status } from '../actors/model/ping.ts'
import { naiveIsoUs } from '../actors/model/time.ts'

/**
 * One message as PacketPulse's vehicles send it: the twelve documented keys and then the two that its
 * gateway drops, in this order. Times are naive UTC with microseconds.
 */
export type WirePing = Readonly<{
  device_id: string
  vehicle_id: string
  session_id: string
  order_id: string
  status: Status
  timestamp: string
  start_lat: number
  start_lon: number
  end_lat: number
  end_lon: number
  current_lat: number
  current_lon: number
  route_name: string
  waypoint_count: number
}>

/** The first frame of a connection. */
export function authenticationFrame(key: string): string {
  return JSON.stringify({ type: 'authentication', api_key: key })
}

/** The wire's time of a moment, microseconds included. */
export function wireTime(atMs: number): string {
  return naiveIsoUs(Math.round(atMs * 1_000))
}

/** An identifier shaped like a UUID (version 5), the same for the same words. */
export function derivedUuid(...words: readonly (string | number)[]): string {
  const hex = new Bun.CryptoHasher('sha1').update(words.join('\u0000')).digest('hex')
  const variant = ((Number.parseInt(hex.slice(16, 17), 16) & 0x3) | 0x8).toString(16)
  return (
    `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}` +
    `-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`
  )
}

/** What a server said about one frame of pings. */
export type Reply =
  | Readonly<{ kind: 'settled'; refused: readonly RefusedPing[]; refusedCount: number }>
  | Readonly<{ kind: 'busy'; retryAfterMs: number; message: string }>
  | Readonly<{ kind: 'broken'; message: string }>

/** A ping that was refused, by its place in the frame. */
export type RefusedPing = Readonly<{ index: number; code: string; message: string }>

/** A frame's own time to wait when a server says `busy` and not for how long. */
const RETRY_AFTER_DEFAULT_MS = 200
const BUSY_CODES = new Set(['busy', 'disk_full', 'unavailable', 'rate_limited'])

/** Reads a reply to a frame of `count` pings: PacketPulse's two keys, or Orrery's counts. */
export function readReply(text: string, count: number): Reply {
  const answer = asRecord(parseJson(text))
  if (!answer) return { kind: 'broken', message: `reply is no JSON object: ${text.slice(0, 120)}` }
  const message = String(answer.message ?? '')
  const code = String(answer.code ?? '')
  const retryAfterMs = firstNumber(answer.retry_after_ms, answer.retryAfterMs)
  if (answer.success !== true && (BUSY_CODES.has(code) || retryAfterMs !== null))
    return { kind: 'busy', retryAfterMs: retryAfterMs ?? RETRY_AFTER_DEFAULT_MS, message }
  const refused = refusedPings(answer.refused)
  const counted = firstNumber(answer.refused_count, answer.refusedCount)
  if (counted !== null || refused.length > 0)
    return { kind: 'settled', refused, refusedCount: Math.min(count, counted ?? refused.length) }
  if (answer.success === true) return { kind: 'settled', refused: [], refusedCount: 0 }
  const each = Array.from({ length: count }, (_, index) => ({ index, code, message }))
  return { kind: 'settled', refused: each, refusedCount: count }
}

/** The refused pings that an answer lists, whichever way in gave it. */
export function refusedPings(list: unknown): readonly RefusedPing[] {
  if (!Array.isArray(list)) return []
  return list.flatMap((entry: unknown) => {
    const refused = asRecord(entry)
    if (!refused || typeof refused.index !== 'number') return []
    const { index } = refused
    return [{ index, code: String(refused.code ?? ''), message: String(refused.message ?? '') }]
  })
}

/** The value as a JSON object, or null. */
export function asRecord(value: unknown): Readonly<Record<string, unknown>> | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null
  return value as Record<string, unknown>
}

/** The JSON value of a text, or undefined when it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The first of the values that is a number. */
export function firstNumber(...values: readonly unknown[]): number | null {
  return values.find((value): value is number => typeof value === 'number') ?? null
}
