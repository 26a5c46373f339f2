import type { Refusal } from '../actors/model/fact.ts'
import type { Span } from './json-shape.ts'
import { cutBytes, type Pieces } from './pieces.ts'

/** What a column holds. */
export type ColumnKind = 'text' | 'number'

/** The columns that a table must have; others are kept as text. */
export type Columns = Readonly<Record<string, ColumnKind>>

/** The first line of a table. */
export type TableHead = Readonly<{ names: readonly string[]; line: string }>

const HEAD_LENGTH_MAX = 4_096
/** Every row costs as much as it has columns. */
const COLUMNS_MAX = 100
const JSON_NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/

/** The head of a text that is a table with at least these columns, in any order; else null. */
export function tableHead(text: string, columns: Columns): TableHead | null {
  const lineBreak = text.slice(0, HEAD_LENGTH_MAX).indexOf('\n')
  const line = text.slice(0, lineBreak === -1 ? HEAD_LENGTH_MAX : lineBreak).trim()
  // Most texts are JSON: told apart by their first letter.
  if (line.startsWith('{') || line.startsWith('[')) return null
  const names = csvFields(line)?.map((name) => name.trim()) ?? []
  if (names.length > COLUMNS_MAX || new Set(names).size < names.length) return null
  return Object.keys(columns).every((name) => names.includes(name)) ? { names, line } : null
}

/**
 * The rows of a table as if each had been sent as a JSON object; an empty field is one that is not there. A
 * row is kept with the head over it, so that it can be read again by itself.
 */
export function tablePieces(table: Pieces, head: TableHead, columns: Columns): Pieces {
  const headBytes = Buffer.from(`${head.line}\n`)
  return {
    view: table.view,
    text(span) {
      const line = table.text(span)
      if (typeof line !== 'string') return line
      const fields = csvFields(line)
      if (!fields) return notTable('quotes that close', line)
      if (fields.length !== head.names.length) {
        return notTable(`${head.names.length} fields as in the first line`, line, fields.length)
      }
      return rowJson(head.names, fields, columns)
    },
    raw(span: Span, bytesMax: number) {
      const row = table.raw(span, bytesMax)
      const kept = cutBytes(Buffer.concat([headBytes, row.raw]), bytesMax)
      return { raw: kept.raw, truncated: kept.truncated || row.truncated }
    },
  }
}

/** The fields of a line, or null when a quote does not close: a field over several lines is not read. */
function csvFields(line: string): readonly string[] | null {
  if (!line.includes('"')) return line.split(',')
  const fields: string[] = []
  for (let at = 0; at <= line.length;) {
    if (line[at] !== '"') {
      const comma = line.indexOf(',', at)
      const end = comma === -1 ? line.length : comma
      fields.push(line.slice(at, end))
      at = end + 1
      continue
    }
    const end = closingQuote(line, at)
    if (end === -1 || (end + 1 < line.length && line[end + 1] !== ',')) return null
    fields.push(line.slice(at + 1, end).replaceAll('""', '"'))
    at = end + 2
  }
  return fields
}

/** The quote that ends the field; a doubled one stands for itself. */
function closingQuote(line: string, open: number): number {
  let at = line.indexOf('"', open + 1)
  while (at !== -1 && line[at + 1] === '"') at = line.indexOf('"', at + 2)
  return at
}

function rowJson(names: readonly string[], fields: readonly string[], columns: Columns): string {
  const parts: string[] = []
  for (const [index, name] of names.entries()) {
    const field = (fields[index] ?? '').trim()
    if (field === '') continue
    const isNumber = columns[name] === 'number' && JSON_NUMBER.test(field)
    parts.push(`${JSON.stringify(name)}:${isNumber ? field : JSON.stringify(field)}`)
  }
  return `{${parts.join()}}`
}

function notTable(expected: string, line: string, fields?: number): Refusal {
  const shown = line.length > 80 ? `${line.slice(0, 80)}…` : line
  const received = fields === undefined ? shown : `${fields}: ${shown}`
  const message = `expected ${expected}, received ${received}`
  return { code: 'invalid_csv', path: '', expected, received, message }
}
