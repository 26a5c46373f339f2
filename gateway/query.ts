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
