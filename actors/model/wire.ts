import { z } from 'zod'

import type { Refusal } from './fact.ts'
import { parseEventTimeUs } from './time.ts'

/** Which event times are believed. */
export type TimeLimits = Readonly<{
  /** How far ahead of its receipt a message may be, milliseconds. */
  aheadMsMax: number
  /** The oldest believable event time, milliseconds since 1970 UTC. */
  oldestMs: number
}>

const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/

/** A number, in quotes or not: the old gateways took both, and some senders use it. */
export const wireNumber = z.preprocess(
  (value) => (typeof value === 'string' && DECIMAL.test(value) ? Number(value) : value),
  z.number(),
)

/** Degrees, as every wire writes them. */
export const wireLatitude = wireNumber.pipe(z.number().min(-90).max(90))
export const wireLongitude = wireNumber.pipe(z.number().min(-180).max(180))

/** A text that can be written as UTF-8: of a lone surrogate the stores would hold another than the sender's. */
export function wellFormed(schema: z.ZodString): z.ZodString {
  return schema.refine((text) => text.isWellFormed(), { error: 'well-formed text' })
}

/** An event time in microseconds, or why it is not believed. */
export function believableTimeUs(
  text: string,
  receivedMs: number,
  limits: TimeLimits,
  field: Pick<Refusal, 'code' | 'path'>,
): number | Refusal {
  const us = parseEventTimeUs(text)
  const refuse = (expected: string): Refusal => refusal(field, expected, shown(text))
  if (us === null) return refuse('an ISO 8601 time such as 2026-11-21T03:59:21.422993Z')
  if (us > (receivedMs + limits.aheadMsMax) * 1_000) {
    return refuse(`a time at most ${shownMs(limits.aheadMsMax)} ahead of its receipt`)
  }
  if (us < limits.oldestMs * 1_000) {
    return refuse(`a time from ${new Date(limits.oldestMs).toISOString()} on`)
  }
  return us
}

/** What a schema found, field by field. */
export function refusalsOf(error: z.ZodError, value: unknown, code: string): readonly Refusal[] {
  return error.issues.map((issue) => refusalOf(issue, value, code))
}

function refusalOf(issue: z.core.$ZodIssue, value: unknown, code: string): Refusal {
  const path = issue.path.join('.')
  const found = issue.path.reduce<unknown>(
    (at, name) => (typeof at === 'object' && at !== null ? Reflect.get(at, name) : undefined),
    value,
  )
  const received = found === undefined && path !== '' ? 'nothing (field required)' : shown(found)
  return refusal({ code, path }, expectation(issue), received)
}

function refusal(
  { code, path }: Pick<Refusal, 'code' | 'path'>,
  expected: string,
  received: string,
): Refusal {
  const where = path === '' ? '' : `${path}: `
  const message = `${where}expected ${expected}, received ${received}`
  return { code, path, expected, received, message }
}

function expectation(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      if (issue.expected === 'int') return 'a whole number'
      return issue.expected === 'object' ? 'an object' : `a ${issue.expected}`
    case 'invalid_value':
      return issue.values.map((value) => JSON.stringify(value)).join(', ')
    case 'too_small':
      return issue.origin === 'string'
        ? `at least ${issue.minimum} character`
        : `≥ ${issue.minimum}`
    case 'too_big':
      return issue.origin === 'string'
        ? `at most ${issue.maximum} characters`
        : `≤ ${issue.maximum}`
    default:
      return issue.message
  }
}

function shownMs(ms: number): string {
  if (ms >= 3_600_000) return `${ms / 3_600_000} h`
  return ms >= 60_000 ? `${ms / 60_000} min` : `${ms / 1_000} s`
}

/** A value as one short piece of text. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return `an array of ${value.length}`
  if (typeof value === 'object' && value !== null) return 'an object'
  const text = JSON.stringify(value) ?? String(value)
  return text.length > 80 ? `${text.slice(0, 80)}…` : text
}
