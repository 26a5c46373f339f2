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

/** True for a name that needs no quotes: of a database or a table. */
export function isPlainName(name: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]{0,62}$/.test(name)
}
