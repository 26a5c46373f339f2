import type { GatewayContext } from './context.ts'

/** A refusal as FastAPI writes it: what StreamPulse's users have programs for. */
export function detailResponse(
  status: number,
  detail: unknown,
  headers: Readonly<Record<string, string>> = {},
): Response {
  const type = { 'content-type': 'application/json' }
  return new Response(JSON.stringify({ detail }), { status, headers: { ...type, ...headers } })
}

/** One input that is not what it must be, in pydantic's words. */
export type Problem = Readonly<{
  loc: readonly ['path' | 'query', string]
  msg: string
  type: string
  ctx?: Readonly<{ limit_value: number }>
}>

/** Python's own idea of a whole number: a sign, spaces around it and `1_000` are fine, `5.0` is not. */
const WHOLE = /^\s*[+-]?\d+(?:_\d+)*\s*$/

/** Reads inputs one after the other; what is wrong is collected and answered at once, as 422. */
export class Inputs {
  readonly problems: Problem[] = []
  readonly #context: GatewayContext

  constructor(context: GatewayContext) {
    this.#context = context
  }

  /** Null when something is wrong with it. */
  pathWhole(name: string): bigint | null {
    return this.#whole(['path', name], this.#context.req.param(name) ?? '')
  }

  queryWhole(name: string, bounds: { default: number; min: number; max: number }): number {
    const text = this.#context.req.query(name)
    if (text === undefined) return bounds.default
    const value = this.#whole(['query', name], text)
    if (value === null) return bounds.default
    const { min, max } = bounds
    if (value >= min && value <= max) return Number(value)
    const below = value < min
    this.problems.push({
      loc: ['query', name],
      msg: `ensure this value is ${below ? 'greater' : 'less'} than or equal to ${below ? min : max}`,
      type: `value_error.number.not_${below ? 'g' : 'l'}e`,
      ctx: { limit_value: below ? min : max },
    })
    return bounds.default
  }

  /** Text that `read` understands; null when it is not given, or not understood. */
  queryTime(name: string, read: (text: string) => number | null): number | null {
    const text = this.#context.req.query(name)
    if (text === undefined) return null
    const value = read(text)
    if (value !== null) return value
    const type = 'value_error.datetime'
    this.problems.push({ loc: ['query', name], msg: 'invalid datetime format', type })
    return null
  }

  #whole(loc: Problem['loc'], text: string): bigint | null {
    if (WHOLE.test(text) && text.length <= 1_000) return BigInt(text.replace(/[\s_+]/g, ''))
    this.problems.push({ loc, msg: 'value is not a valid integer', type: 'type_error.integer' })
    return null
  }
}
