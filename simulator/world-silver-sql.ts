import type { Row } from '../sinks/clickhouse/engine.ts'
import type { SilverRow, SilverTables } from './world-silver.ts'

const RANK: Readonly<Record<string, number>> = { started: 0, en_route: 1, completed: 2 }

/** Answers the questions that the silver sink and the history ask, and no other. */
export function ask(tables: SilverTables, sql: string): readonly Row[] {
  if (sql === 'SELECT max(version) FROM schema_migrations') {
    return [[Math.max(0, ...tables.migrations)]]
  }
  const progress = /FROM sink_progress WHERE sink = '(\w+)' AND `partition` = (\d+)$/.exec(sql)
  if (progress) return acknowledged(tables, progress[1] ?? '', Number(progress[2]))
  if (sql.startsWith('SELECT `offset`, `part`, ')) return above(tables, sql)
  if (sql.startsWith('SELECT request, side, ')) return history(tables, sql)
  if (sql.startsWith('SELECT 0, 0, event_time_us, ')) return ties(tables, sql)
  throw new Error(`a question that is not understood: ${sql}`)
}

function acknowledged(tables: SilverTables, sink: string, partition: number): readonly Row[] {
  const offsets = tables.progress
    .filter((row) => row.sink === sink && row.partition === partition)
    .map(({ offset }) => offset)
  return [[Math.max(0, ...offsets), offsets.length]]
}

function above(tables: SilverTables, sql: string): readonly Row[] {
  const part =
    /^SELECT `offset`, `part`, (?:-1|`mark`) FROM (\w+) WHERE `partition` = (\d+) AND `offset` >= (\d+)$/
  return sql.split(' UNION ALL ').flatMap((one) => {
    const [, table = '', partition, from] = part.exec(one) ?? []
    return tables
      .of(table)
      .filter((row) => row['partition'] === Number(partition))
      .filter((row) => Number(row['offset']) >= Number(from))
      .map((row): Row => [Number(row['offset']), Number(row['part']), Number(row['mark'] ?? -1)])
  })
}

type Place = Readonly<{ row: SilverRow; side: number; away: number }>

/** The fixes nearest to each request's event time, on both sides of it and at it. */
function history(tables: SilverTables, sql: string): readonly Row[] {
  const [ids = ''] = /(?<=WHERE session_id IN \()[^)]*(?=\))/.exec(sql) ?? []
  const sessions = [...ids.matchAll(/'([^']*)'/g)].map((found) => found[1])
  const lists = [...sql.matchAll(/CAST\(\[([^\]]*)\], 'Array\(Int64\)'\)/g)].map((found) =>
    (found[1] ?? '').split(', ').map(Number),
  )
  const [, times = [], partitions = [], through = []] = lists
  const limit = Number(/LIMIT (\d+) BY request, side$/.exec(sql)?.[1])
  if (lists.length !== 4 || !(limit > 0)) throw new Error(`history is asked in other words: ${sql}`)
  return sessions.flatMap((session, index): Row[] => {
    const at = times[index] ?? 0
    const rows = tables
      .of('session_movements')
      .filter((row) => row['session_id'] === session && row['partition'] === partitions[index])
      .filter((row) => Number(row['offset']) <= (through[index] ?? -1))
    const places = rows.map((row): Place => {
      const away = Number(row['event_time_us']) - at
      return { row, side: Math.sign(away), away: Math.abs(away) }
    })
    return [-1, 0, 1].flatMap((side) =>
      places
        .filter((place) => place.side === side)
        .sort((a, b) => a.away - b.away || inOrder(a.row, b.row) * (side < 0 ? -1 : 1))
        .slice(0, limit)
        .map(({ row }): Row => [index + 1, side, ...fixOf(row)]),
    )
  })
}

function ties(tables: SilverTables, sql: string): readonly Row[] {
  const number = (pattern: RegExp): number => Number(pattern.exec(sql)?.[1])
  const session = /WHERE session_id = '([^']*)'/.exec(sql)?.[1]
  const at = number(/event_time_us = (\d+) /)
  const through = number(/<= (-?\d+) ORDER BY/)
  const limit = number(/LIMIT (\d+)$/)
  return tables
    .of('session_movements')
    .filter((row) => row['session_id'] === session && row['event_time_us'] === at)
    .filter((row) => Number(row['offset']) <= through)
    .sort(inOrder)
    .slice(0, limit)
    .map((row): Row => [0, 0, ...fixOf(row)])
}

function fixOf(row: SilverRow): Row {
  const { event_time_us = null, status = null, current_lat = null, current_lon = null } = row
  return [event_time_us, status, current_lat, current_lon]
}

function inOrder(a: SilverRow, b: SilverRow): number {
  const rank = (row: SilverRow): number => RANK[String(row['status'])] ?? 3
  return (
    rank(a) - rank(b) ||
    Number(a['current_lat']) - Number(b['current_lat']) ||
    Number(a['current_lon']) - Number(b['current_lon'])
  )
}
