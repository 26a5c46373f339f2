import type { BronzePing, Expected, ExpectedRow } from './checker-reference.ts'
import type { Told } from './world-client.ts'
import type { SilverRow, SilverTables } from './world-silver.ts'

/** Tables, or the part of them that is of one partition. */
export type Tables = Pick<SilverTables, 'of'>

/** Silver must be the recomputation row for row: nothing missing, nothing double, nothing else. */
export function checkSilver(
  silver: Tables,
  expected: Expected,
  pings: readonly BronzePing[],
): string | null {
  return (
    compareTable(silver, 'session_headers', expected.headers, null) ??
    compareTable(silver, 'session_statuses', expected.statuses, 'event_id') ??
    compareTable(silver, 'session_movements', expected.movements, 'movement_id') ??
    checkTotals(silver, expected) ??
    checkDeadLetters(silver, expected, pings)
  )
}

/** The name of a row: offset and part of the fact that made it. */
export function nameOf(row: SilverRow): string {
  return `${row['offset']}.${row['part']}`
}

function compareTable(
  silver: Tables,
  table: string,
  expected: readonly ExpectedRow[],
  idColumn: string | null,
): string | null {
  const rows = new Map<string, SilverRow>()
  for (const row of silver.of(table)) {
    const name = nameOf(row)
    if (rows.has(name)) return `${table}: ${name} is there twice: ${JSON.stringify(row)}`
    rows.set(name, row)
  }
  const contents = new Map<string, string>()
  for (const { name, columns, content } of expected) {
    const row = rows.get(name)
    if (!row) return `${table}: ${name} is missing: ${JSON.stringify(columns)}`
    rows.delete(name)
    for (const [column, value] of Object.entries(columns)) {
      if (String(row[column] ?? null) === value) continue
      return `${table}: ${name} should have ${column} ${value}: ${JSON.stringify(row)}`
    }
    if (idColumn === null) continue
    const id = String(row[idColumn])
    const other = contents.get(id) ?? content
    if (other !== content) return `${table}: ${id} names both ${other} and ${content}`
    if (table === 'session_movements' && contents.has(id)) return `${table}: ${id} is there twice`
    contents.set(id, content)
  }
  for (const [name, row] of rows) return `${table}: ${name} is too many: ${JSON.stringify(row)}`
  return null
}

function checkTotals(silver: Tables, { totalsCm }: Expected): string | null {
  const sums = new Map<string, number>()
  for (const row of silver.of('session_movements')) {
    const id = String(row['session_id'])
    sums.set(id, (sums.get(id) ?? 0) + Number(row['distance_cm']))
  }
  for (const [id, totalCm] of totalsCm) {
    if ((sums.get(id) ?? 0) !== totalCm) {
      return `session_movements: ${id} should have travelled ${totalCm} cm, not ${sums.get(id)}`
    }
  }
  return null
}

function checkDeadLetters(
  silver: Tables,
  { poisoned }: Expected,
  pings: readonly BronzePing[],
): string | null {
  const offsets = new Set(pings.map(({ offset }) => offset))
  const expected = new Set(poisoned)
  const seen = new Set<string>()
  for (const row of silver.of('dead_letters')) {
    const name = nameOf(row)
    const shown = JSON.stringify(row)
    if (seen.has(name)) return `dead_letters: ${name} is there twice: ${shown}`
    seen.add(name)
    const isPoison = row['code'] === 'poison'
    if (isPoison !== expected.has(name)) return `dead_letters: ${name} is no poison: ${shown}`
    if (isPoison) continue
    if (offsets.has(Number(row['offset']))) return `dead_letters: ${name} is in bronze: ${shown}`
  }
  for (const name of expected) if (!seen.has(name)) return `dead_letters: ${name} is missing`
  return null
}

/** Every piece that was refused is kept, as often as it was refused. */
export function checkRefused(silver: Tables, told: Told): string | null {
  const refused = new Map<string, number>()
  for (const row of silver.of('dead_letters')) {
    const raw = String(row['raw'])
    if (row['code'] !== 'poison') refused.set(raw, (refused.get(raw) ?? 0) + 1)
  }
  for (const [raw, times] of told.refused) {
    if ((refused.get(raw) ?? 0) < times) {
      return `dead_letters: ${raw} was refused ${times} times, and is kept ${refused.get(raw) ?? 0} times`
    }
  }
  return null
}
