import type { Refusal } from '../actors/model/fact.ts'
import type { AnyMessage } from './message.ts'
import type { OfferOutcome } from './ports.ts'

/** PacketPulse's replies, to the byte. */
export const AUTHENTICATED = '{"status":"authenticated","message":"Authentication successful"}'
export const NOT_AUTHENTICATED = '{"status":"error","message":"Authentication failed"}'
export const RECEIVED = '{"success":true,"message":"Data received"}'

/** The reply to a message that is on disk. */
export function replyTo(message: AnyMessage, outcome: OfferOutcome): string {
  if (!outcome.ok) return notTaken(outcome.code, outcome.message, outcome.retryAfterMs)
  if (!message.batch) return message.refusedCount === 0 ? RECEIVED : refusedReply(message.reasons)
  const { refused, refusedCount } = message
  const accepted = message.items.length
  return JSON.stringify({
    success: refusedCount === 0,
    message: refusedCount === 0 ? 'Data received' : countsText(message),
    accepted,
    refused,
    refusedCount,
  })
}

/** The reply to one refused message: PacketPulse's two keys first, then what a program can use. */
export function refusedReply(reasons: readonly Refusal[]): string {
  return JSON.stringify({
    success: false,
    message: reasonsText(reasons),
    code: reasons[0]?.code ?? 'refused',
    errors: reasons.map(({ path, expected, received, message }) => ({
      path,
      expected,
      received,
      message,
    })),
  })
}

/** The reply when nothing was taken and the same message may be sent again. */
export function notTaken(code: string, message: string, retryAfterMs: number): string {
  const text = `${code === 'busy' ? 'busy' : message}, retry after ${retryAfterMs} ms`
  return JSON.stringify({ success: false, message: text, code, retry_after_ms: retryAfterMs })
}

/** How many of a message's pings or trips were refused. */
export function countsText({ noun, items, refusedCount }: AnyMessage): string {
  return `${refusedCount} of ${items.length + refusedCount} ${noun}s refused`
}

/** What the gateways before this one called the shape that a field did not fit. */
const SHAPES: Readonly<Record<string, string>> = {
  invalid_ping: 'DeliveryData',
  invalid_trip: 'TripEvent',
}

/** Bad fields as PacketPulse's gateway named them, so that searches in old logs still match. */
function reasonsText(reasons: readonly Refusal[]): string {
  const shape = SHAPES[reasons[0]?.code ?? '']
  const fields = shape === undefined ? [] : reasons.filter(({ path }) => path !== '')
  if (fields.length === 0) return reasons.map((reason) => reason.message).join('; ')
  const blocks = fields.map(
    ({ path, expected, received }) => `${path}\n  ${fieldText(expected, received)}`,
  )
  const noun = fields.length === 1 ? 'error' : 'errors'
  return `${fields.length} validation ${noun} for ${shape}\n${blocks.join('\n')}`
}

function fieldText(expected: string, received: string): string {
  if (received.startsWith('nothing')) return `Field required [expected ${expected}]`
  if (expected === 'a string') return `Input should be a valid string [received ${received}]`
  if (expected === 'a number') return `Input should be a valid number [received ${received}]`
  return `Input should be ${expected} [received ${received}]`
}
