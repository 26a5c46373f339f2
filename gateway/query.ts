import { z } from 'zod'

import { parseEventTimeUs } from '../actors/model/time.ts'
import type { GatewayContext } from './context.ts'
import { errorResponse } from './http-error.ts'

/** A number of the query string, or the answer that says what it must be. */
export type QueryNumber =
  Readonly<{ ok: true; value: number }> | Readonly<{ ok: false; response: Response }>

/** Reads a whole number of the query string. */
export function wholeNumber(
  context: GatewayContext,
  name: string,
  bounds: { default: number; min: number; max: number },
): QueryNumber {
  const text = context.req.query(name)
  if (text === undefined) return { ok: true, value: bounds.default }
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
  if (value >= bounds.min && value <= bounds.max) return { ok: true, value }
  const message = `${name}: expected a whole number from ${bounds.min} to ${bounds.max}, received ${text.slice(0, 40)}`
  return { ok: false, response: errorResponse(400, 'bad_query', message) }
}

/** What `timeMsOf` takes. */
export const TIME_EXPECTED = 'a day, an ISO 8601 time, or milliseconds since 1970'

/** A schema for text that `read` understands, or the words for what it should be. */
export const textAs = <T>(read: (text: string) => T | null, expected: string) =>
  z
    .string()
    .describe(expected)
    .transform((text, context): T => {
      const value = read(text)
      if (value !== null) return value
      context.addIssue({ code: 'custom', message: `expected ${expected}` })
      return z.NEVER
    })

/** A time of a query string as milliseconds since 1970, or null. */
export function timeMsOf(text: string): number | null {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  const isDay = /^\d{4}-\d{2}-\d{2}$/.test(text)
  // A plus that was not written as %2B has become a space.
  const plain = text.replace(/(T.+) (\d\d:\d\d)$/, '$1+$2')
  const timeUs = parseEventTimeUs(isDay ? `${text}T00:00:00Z` : plain)
  return timeUs === null ? null : Math.floor(timeUs / 1_000)
}

/** The answer to a query or body that a schema refused: its first issue. */
export function badInput(errorCode: 'bad_query' | 'bad_body', error: z.ZodError): Response {
  const [issue] = error.issues
  const where = issue?.path.join('.') ?? ''
  const what = issue?.message ?? 'not understood'
  return errorResponse(400, errorCode, where === '' ? what : `${where}: ${what}`)
}
