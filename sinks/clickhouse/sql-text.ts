import { OrreryError } from '../../actors/kernel/errors.ts'

const SPECIAL = /[\\'\0\n\r\t\b\f]/g
const ESCAPES: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  "'": "\\'",
  '\0': '\\0',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\b': '\\b',
  '\f': '\\f',
}

/** A string as a ClickHouse literal, quotes included: the one way that a foreign value enters SQL. */
export function sqlText(value: string): string {
  return `'${value.replace(SPECIAL, (found) => ESCAPES[found] ?? '')}'`
}

/** A whole number as a literal; anything else is a broken invariant, never SQL. */
export function sqlInt(value: number): string {
  if (!Number.isSafeInteger(value)) {
    throw new OrreryError('invariant', `not a whole number: ${String(value)}`)
  }
  return String(value)
}

/** Rows that one question may bring, whatever was asked. */
export const READER_ROWS_MAX = 10_000

/** A number of rows as a literal, held within what a question may bring. */
export function sqlLimit(limit: number): string {
  return sqlInt(Math.min(READER_ROWS_MAX, Math.max(1, Math.floor(limit))))
}

/** A time as a literal of the tables' type, held within the years that the type has. */
export function sqlTime(timeMs: number): string {
  const inRange = Math.min(9_000_000_000_000, Math.max(-2_000_000_000_000, Math.floor(timeMs)))
  return `fromUnixTimestamp64Milli(toInt64(${sqlInt(inRange)}), 'UTC')`
}

/** True for a name that needs no quotes: of a database or a table. */
export function isPlainName(name: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]{0,62}$/.test(name)
}
