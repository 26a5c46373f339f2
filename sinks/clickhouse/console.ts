import { messageOf, OrreryError } from '../../actors/kernel/errors.ts'
import type { ClickHouse } from './engine.ts'
import { fence } from './sql-fence.ts'
import { lexSql } from './sql-lexer.ts'
import { sqlText } from './sql-text.ts'

/** Formats that an answer may have, by ClickHouse's names. Binary ones come back byte for byte. */
export const CONSOLE_FORMATS: readonly string[] = [
  ...['JSONEachRow', 'JSONLines', 'NDJSON', 'JSON', 'JSONStrings', 'JSONCompact'],
  ...['JSONCompactEachRow', 'JSONCompactEachRowWithNames', 'JSONCompactEachRowWithNamesAndTypes'],
  ...['JSONObjectEachRow', 'JSONColumns', 'JSONColumnsWithMetadata', 'JSONStringsEachRow'],
  ...['Pretty', 'PrettyCompact', 'PrettySpace', 'PrettyNoEscapes', 'PrettyCompactNoEscapes'],
  ...['PrettyMonoBlock', 'PrettyCompactMonoBlock', 'PrettyJSONEachRow', 'PrettyNDJSON'],
  ...['Vertical', 'Markdown', 'Values', 'XML', 'CSV', 'CSVWithNames', 'CSVWithNamesAndTypes'],
  ...['TSV', 'TSVWithNames', 'TSVWithNamesAndTypes', 'TSVRaw', 'TSVRawWithNames'],
  ...['TabSeparated', 'TabSeparatedWithNames', 'TabSeparatedWithNamesAndTypes'],
  ...['TabSeparatedRaw', 'TabSeparatedRawWithNames', 'LineAsString', 'Null', 'SQLInsert'],
  ...['Parquet', 'Arrow', 'ArrowStream', 'Native', 'RowBinary', 'RowBinaryWithNames'],
  ...['RowBinaryWithNamesAndTypes', 'ORC', 'Avro', 'MsgPack'],
]

/** Longest statement, in characters. */
const SQL_CHARACTERS_MAX = 100_000

/**
 * Runs one read-only statement of a person and answers in a format. A `FORMAT …` at its end wins over
 * `format`. OrreryError `sql_refused` says what is not allowed, `sql_failed` what ClickHouse could not do;
 * both in one line.
 */
export async function runConsoleQuery(
  options: Readonly<{ engine: ClickHouse; sql: string; format: string }>,
): Promise<Uint8Array> {
  const { engine } = options
  if (options.sql.length > SQL_CHARACTERS_MAX) {
    throw new OrreryError('sql_refused', `the statement has over ${SQL_CHARACTERS_MAX} characters`)
  }
  const { sql, format = options.format } = splitFormat(options.sql)
  if (sql === '') throw new OrreryError('sql_refused', 'there is no statement')
  const known = formatNamed(format)
  const normalised = await normalise(engine, sql)
  const allowed = fence(normalised, [engine.database, 'bronze'])
  return ask(engine, allowed, known)
}

/** ClickHouse's own spelling of a format that is allowed, found without regard to case. */
export function formatNamed(format: string): string {
  const wanted = format.toLowerCase()
  const known = CONSOLE_FORMATS.find((each) => each.toLowerCase() === wanted)
  if (known) return known
  throw new OrreryError(
    'sql_refused',
    `format ${format} is not known; formats are ${CONSOLE_FORMATS.slice(0, 4).join(', ')}, Pretty, CSVWithNames, TSV, Vertical, Markdown, Parquet …`,
  )
}

/** Takes semicolons and a `FORMAT name` off the end of a statement. */
function splitFormat(text: string): { sql: string; format?: string } {
  const tokens = lexSql(text)
  while (tokens.at(-1)?.text === ';') tokens.pop()
  const last = tokens.at(-1)
  const before = tokens.at(-2)
  if (!last) return { sql: '' }
  if (tokens.length > 2 && last.kind === 'word' && before?.kind === 'word') {
    if (before.text.toUpperCase() === 'FORMAT') {
      return { sql: text.slice(0, before.start).trim(), format: last.text }
    }
  }
  return { sql: text.slice(0, last.end).trim() }
}

/** The engine's own reading of a statement, written out again: what is judged is what will be run. */
async function normalise(engine: ClickHouse, sql: string): Promise<string> {
  const statement = `SELECT formatQuerySingleLine(${sqlText(sql)})`
  const bytes = await ask(engine, statement, 'JSONCompactEachRow')
  const row: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'))
  const text: unknown = Array.isArray(row) ? row[0] : undefined
  if (typeof text !== 'string') throw new OrreryError('sql_failed', 'the statement was not read')
  return text
}

async function ask(engine: ClickHouse, sql: string, format: string): Promise<Uint8Array> {
  try {
    return await engine.ask(sql, format)
  } catch (cause) {
    if (cause instanceof OrreryError && cause.code !== 'clickhouse') throw cause
    throw new OrreryError('sql_failed', oneLine(messageOf(cause)), { cause })
  }
}

/** ClickHouse's message without its code, version, scope and the long list of what it expected. */
export function oneLine(message: string): string {
  const line = message
    .replace(/^Code: \d+\. /, '')
    .replace(/DB::Exception: /g, '')
    .replace(/ ?\(version [^)]*\)/, '')
    .replace(/\s+/g, ' ')
    .replace(/[ .]*\([A-Z_0-9]+\)[ .]*$/, '')
    .replace(/:? ?In scope .*$/i, '')
    .replace(/:? ?[Ww]hile executing .*$/, '')
    .replace(/\.? Expected one of: .*$/, '')
    .replace(
      /(?:default|user): Not enough privileges.*$/i,
      'not allowed: that reads outside of the tables',
    )
    .trim()
    .replace(/[.:]+$/, '')
  return line.length > 500 ? `${line.slice(0, 499)}…` : line
}
