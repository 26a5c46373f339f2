import type { ColumnType } from './table-schema.ts'

/** Longest bound of a string, in code points, as other Iceberg writers have it. */
export const BOUND_LENGTH_MAX = 16

const encoder = new TextEncoder()

/** Iceberg's single-value bytes of a column's smallest value; strings are cut. Undefined when there is none. */
export function lowerBound(type: ColumnType, value: unknown): Uint8Array | undefined {
  return type === 'string' && typeof value === 'string'
    ? encoder.encode(prefix(value).join(''))
    : fixedBytes(type, value)
}

/** The same of its largest; a cut string is raised, so that nothing in the file is above it. */
export function upperBound(type: ColumnType, value: unknown): Uint8Array | undefined {
  if (type !== 'string' || typeof value !== 'string') return fixedBytes(type, value)
  const points = prefix(value)
  if (points.join('').length === value.length) return encoder.encode(value)
  for (let last = points.length - 1; last >= 0; last--) {
    const next = successor(points[last]?.codePointAt(0) ?? 0)
    if (next === null) continue
    return encoder.encode(points.slice(0, last).join('') + String.fromCodePoint(next))
  }
  // Nothing that short is above sixteen times the highest character: no bound says nothing wrong.
  return undefined
}

function prefix(text: string): readonly string[] {
  const points: string[] = []
  for (const point of text) {
    if (points.length === BOUND_LENGTH_MAX) break
    points.push(point)
  }
  return points
}

function successor(point: number): number | null {
  if (point === 0x10ffff) return null
  // Surrogates are no characters.
  return point === 0xd7ff ? 0xe000 : point + 1
}

function fixedBytes(type: ColumnType, value: unknown): Uint8Array | undefined {
  if (typeof value !== 'number' && typeof value !== 'bigint') return undefined
  const wide = type === 'double' || type === 'long' || type === 'timestamptz'
  const bytes = new Uint8Array(wide ? 8 : 4)
  const view = new DataView(bytes.buffer)
  if (type === 'double') view.setFloat64(0, Number(value), true)
  else if (wide) view.setBigInt64(0, BigInt(value), true)
  else view.setInt32(0, Number(value), true)
  return bytes
}
