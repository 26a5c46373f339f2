import {
  type DeadLetterFilter,
  deadLetterId,
  type DeadLetterRow,
  type OpenDeadLetters,
  type StoredDeadLetter,
} from '../../actors/model/dead-letter.ts'
import type { FactName, Retry } from '../../actors/model/fact.ts'
import { type Cell, type ClickHouse, numberOf, textOf } from './engine.ts'
import { sqlInt, sqlLimit, sqlText, sqlTime } from './sql-text.ts'

/** A page of dead letters: those older than one of them, or than a time. */
export type DeadLetterPage = DeadLetterFilter &
  Readonly<{ limit: number; beforeMs?: number; before?: FactName }>

/** A page of dead letters to read again: those after one of them. */
export type OpenDeadLetterPage = DeadLetterFilter & Readonly<{ limit: number; after?: FactName }>

const NAME = '`partition`, `offset`, `part`'
const LETTER = 'letter_partition, letter_offset, letter_part'
/** Codes that a count names. */
const CODES_MAX = 1_000

/** Dead letters, newest first, and what came of those that were read again; null when `before` is none. */
export async function listDeadLetters(
  engine: ClickHouse,
  page: DeadLetterPage,
): Promise<readonly DeadLetterRow[] | null> {
  const conditions = conditionsOf(page)
  if (page.beforeMs !== undefined) conditions.push(`received_at < ${sqlTime(page.beforeMs)}`)
  if (page.before) {
    const [found] = await engine.query(
      `SELECT toUnixTimestamp64Milli(received_at) FROM dead_letters WHERE ${isNamed(page.before)}`,
    )
    if (!found) return null
    conditions.push(
      `(received_at, ${NAME}) < (${sqlTime(numberOf(found[0]))}, ${numbers(page.before)})`,
    )
  }
  const rows = await engine.query(
    `SELECT ${NAME}, code, path, expected, received, message, base64Encode(raw), truncated, ` +
      'toUnixTimestamp64Milli(dead_letters.received_at), source FROM dead_letters ' +
      `WHERE ${conditions.join(' AND ')} ` +
      'ORDER BY received_at DESC, `partition` DESC, `offset` DESC, `part` DESC ' +
      `LIMIT ${sqlLimit(page.limit)}`,
  )
  const retries = await retriesOf(engine, rows.map(nameOf))
  return rows.map((row) => {
    const id = deadLetterId(nameOf(row))
    return {
      id,
      code: textOf(row[3]),
      path: textOf(row[4]),
      expected: textOf(row[5]),
      received: textOf(row[6]),
      message: textOf(row[7]),
      ...rawOf(row[8]),
      truncated: row[9] === true,
      receivedMs: numberOf(row[10]),
      source: textOf(row[11]),
      ...(retries.get(id) ?? NEVER_RETRIED),
    }
  })
}

/** How many dead letters there are of each code, the most first. */
export async function countDeadLetters(
  engine: ClickHouse,
  filter: DeadLetterFilter,
): Promise<Readonly<Record<string, number>>> {
  const rows = await engine.query(
    `SELECT code, count() AS letters FROM dead_letters WHERE ${conditionsOf(filter).join(' AND ')} ` +
      `GROUP BY code ORDER BY letters DESC, code LIMIT ${sqlLimit(CODES_MAX)}`,
  )
  return Object.fromEntries(rows.map(([code, letters]) => [textOf(code), numberOf(letters)]))
}

/** One dead letter with its bytes; null when there is none of this name. */
export async function findDeadLetter(
  engine: ClickHouse,
  name: FactName,
): Promise<StoredDeadLetter | null> {
  const [letter] = await stored(engine, `WHERE ${isNamed(name)} LIMIT 1`)
  return letter ?? null
}

/** Dead letters that can be read again and were not accepted yet, in the order of their names. */
export function listOpenDeadLetters(
  engine: ClickHouse,
  page: OpenDeadLetterPage,
): Promise<readonly StoredDeadLetter[]> {
  const conditions = [...openConditions(page), 'NOT truncated']
  return stored(
    engine,
    `WHERE ${conditions.join(' AND ')} ORDER BY ${NAME} LIMIT ${sqlLimit(page.limit)}`,
  )
}

/** How many of these there are, and how many of which only a part was kept. */
export async function countOpenDeadLetters(
  engine: ClickHouse,
  page: Omit<OpenDeadLetterPage, 'limit'>,
): Promise<OpenDeadLetters> {
  const [row] = await engine.query(
    'SELECT countIf(NOT truncated), countIf(truncated) FROM dead_letters ' +
      `WHERE ${openConditions(page).join(' AND ')}`,
  )
  return { open: numberOf(row?.[0]), cut: numberOf(row?.[1]) }
}

async function stored(engine: ClickHouse, rest: string): Promise<readonly StoredDeadLetter[]> {
  const rows = await engine.query(
    `SELECT ${NAME}, base64Encode(raw), truncated, source FROM dead_letters ${rest}`,
  )
  const retries = await retriesOf(engine, rows.map(nameOf))
  return rows.map((row) => {
    const name = nameOf(row)
    const { outcome, retriedMs } = retries.get(deadLetterId(name)) ?? NEVER_RETRIED
    const done = outcome !== null && outcome !== 'refused' && retriedMs !== null
    return {
      name,
      raw: new Uint8Array(Buffer.from(textOf(row[3]), 'base64')),
      truncated: row[4] === true,
      source: textOf(row[5]),
      done: done ? { outcome, atMs: retriedMs } : null,
    }
  })
}

type Retries = Pick<DeadLetterRow, 'retries' | 'outcome' | 'retriedMs' | 'retryMessage'>

const NEVER_RETRIED: Retries = { retries: 0, outcome: null, retriedMs: null, retryMessage: '' }

/** What came of letters, by id. Once accepted a letter stays so: a clock that was set back changes nothing. */
async function retriesOf(
  engine: ClickHouse,
  names: readonly FactName[],
): Promise<ReadonlyMap<string, Retries>> {
  if (names.length === 0) return new Map()
  const newest = "(outcome != 'refused', retried_at, `offset`)"
  const rows = await engine.query(
    `SELECT ${LETTER}, count(), argMax(outcome, ${newest}), ` +
      `toUnixTimestamp64Milli(argMax(retried_at, ${newest})), argMax(message, ${newest}) ` +
      'FROM dead_letter_retries ' +
      `WHERE (${LETTER}) IN (${names.map((name) => `(${numbers(name)})`).join(', ')}) GROUP BY ${LETTER}`,
  )
  return new Map(
    rows.map((row) => [
      deadLetterId(nameOf(row)),
      {
        retries: numberOf(row[3]),
        outcome: outcomeOf(row[4]),
        retriedMs: numberOf(row[5]),
        retryMessage: textOf(row[6]),
      },
    ]),
  )
}

function conditionsOf(filter: DeadLetterFilter): string[] {
  const { code, path, source, sinceMs, retried, outcome } = filter
  const conditions = ['1']
  if (code !== undefined) conditions.push(`code = ${sqlText(code)}`)
  if (path !== undefined) conditions.push(`path = ${sqlText(path)}`)
  if (source !== undefined) conditions.push(`source = ${sqlText(source)}`)
  if (sinceMs !== undefined) conditions.push(`received_at >= ${sqlTime(sinceMs)}`)
  if (retried !== undefined) conditions.push(`(${NAME}) ${retried ? '' : 'NOT '}${among('1')}`)
  if (outcome !== undefined) conditions.push(`(${NAME}) ${among(`outcome = ${sqlText(outcome)}`)}`)
  if (outcome === 'refused') conditions.push(notDone())
  return conditions
}

function openConditions({ after, ...filter }: Omit<OpenDeadLetterPage, 'limit'>): string[] {
  const conditions = [...conditionsOf(filter), notDone()]
  if (after) conditions.push(`(${NAME}) > (${numbers(after)})`)
  return conditions
}

function notDone(): string {
  return `(${NAME}) NOT ${among("outcome != 'refused'")}`
}

function among(condition: string): string {
  return `IN (SELECT ${LETTER} FROM dead_letter_retries WHERE ${condition})`
}

function isNamed({ partition, offset, part }: FactName): string {
  return (
    `\`partition\` = ${sqlInt(partition)} AND \`offset\` = ${sqlInt(offset)} ` +
    `AND \`part\` = ${sqlInt(part)}`
  )
}

function numbers({ partition, offset, part }: FactName): string {
  return `${sqlInt(partition)}, ${sqlInt(offset)}, ${sqlInt(part)}`
}

function nameOf(row: readonly Cell[]): FactName {
  return { partition: numberOf(row[0]), offset: numberOf(row[1]), part: numberOf(row[2]) }
}

function outcomeOf(cell: Cell | undefined): Retry['outcome'] {
  const text = textOf(cell)
  return text === 'accepted' || text === 'partial' ? text : 'refused'
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function rawOf(cell: Cell | undefined): Pick<DeadLetterRow, 'raw' | 'rawEncoding'> {
  const base64 = textOf(cell)
  try {
    return { raw: strictUtf8.decode(Buffer.from(base64, 'base64')), rawEncoding: 'utf8' }
  } catch {
    return { raw: base64, rawEncoding: 'base64' }
  }
}
