import type { Ping, Status } from '../model/ping.ts'

/** A UUID (RFC 9562 version 8: custom) of 122 bits of two seeded xxHash3 of the text. */
function contentUuid(text: string): string {
  const high = Bun.hash.xxHash3(text, 0x6f727265n).toString(16).padStart(16, '0')
  const low = Bun.hash.xxHash3(text, 0x7279n).toString(16).padStart(16, '0')
  const variant = '89ab'.charAt(Number.parseInt(low.charAt(0), 16) & 3)
  return `${high.slice(0, 8)}-${high.slice(8, 12)}-8${high.slice(13, 16)}-${variant}${low.slice(1, 4)}-${low.slice(4)}`
}

/** Name of a movement by what it says: the same in whatever order, and however often, its ping comes. */
export function movementId(ping: Ping): string {
  return contentUuid(
    `m|${ping.sessionId}|${ping.eventTimeUs}|${ping.status}|${ping.lat}|${ping.lng}`,
  )
}

/** Name of a status event: a session reaches each status once. */
export function eventId(sessionId: string, status: Status): string {
  return contentUuid(`e|${sessionId}|${status}`)
}
