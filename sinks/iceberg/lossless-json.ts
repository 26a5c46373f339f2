/** An Iceberg `long`: a number while that is exact, a bigint beyond 2^53. Other engines use all 63 bits. */
export type Long = number | bigint

const MAYBE_UNSAFE = /\d{16}/
const INTEGER = /^-?\d+$/

type SourceReviver = (key: string, value: unknown, context: { source?: string }) => unknown
// The types of the language do not have the third argument yet.
const parseWithSource = JSON.parse as (text: string, reviver: SourceReviver) => unknown

/** Parses JSON without losing a digit of large integers: what no double can hold becomes a bigint. */
export function parseLossless(text: string): unknown {
  // The reviver costs ten times the parse; most metadata needs none.
  if (!MAYBE_UNSAFE.test(text)) return JSON.parse(text)
  return parseWithSource(text, (_key, value, context) => {
    if (typeof value !== 'number' || Number.isSafeInteger(value)) return value
    const source = context.source ?? ''
    return INTEGER.test(source) ? BigInt(source) : value
  })
}

/** The JSON text of a value in which bigints stand for integers. */
export function stringifyLossless(value: unknown, indent?: number): string {
  return JSON.stringify(
    value,
    (_key, inner: unknown) => (typeof inner === 'bigint' ? rawJson(String(inner)) : inner),
    indent,
  )
}

/** Are the two the same integer, whatever holds them. */
export function sameLong(a: Long | null | undefined, b: Long | null | undefined): boolean {
  if (a === b) return true
  return a !== null && a !== undefined && b !== null && b !== undefined && BigInt(a) === BigInt(b)
}

/** A value that `JSON.stringify` writes as this very text. */
export function rawJson(text: string): unknown {
  return (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(text)
}

/**
 * Parses JSON so that `JSON.stringify` gives each number as it was written: `1.50` stays `1.50`, and a
 * number of thirty digits keeps them.
 */
export function parseVerbatim(text: string): unknown {
  return parseWithSource(text, (_key, value, { source }) =>
    typeof value === 'number' && source !== undefined ? rawJson(source) : value,
  )
}
