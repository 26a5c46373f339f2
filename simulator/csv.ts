import { parseTrip } from '../actors/model/trip.ts'

/** The header of a CSV file of trips: what each column is called, in order. */
export type CsvHeader = Readonly<{
  names: readonly string[]
  /** Column of the event time. */
  timeColumn: number
}>

const NUMBERS: ReadonlySet<string> = new Set(['region_id', 'fare', 'duration', 'distance'])
const REQUIRED = ['trip_id', 'region_id', 'event_time', 'fare', 'duration', 'distance'] as const
const NEEDED: ReadonlySet<string> = new Set(REQUIRED)
const JSON_NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/
/** What people write for numbers besides: 007, +5, 5., .5 */
const LOOSE_NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)$/

/** Reads a header line; throws an Error for a person when it is no header of trips. */
export function parseHeader(text: string): CsvHeader {
  const names = (csvFields(text) ?? []).map((name) => name.toLowerCase())
  const missing = REQUIRED.filter((name) => !names.includes(name))
  if (missing.length > 0) {
    throw new Error(
      `the first line must be a header that names ${REQUIRED.join(',')}; missing: ${missing.join(', ')}`,
    )
  }
  const twice = names.find((name, column) => name !== '' && names.indexOf(name) !== column)
  if (twice !== undefined) throw new Error(`the header names ${twice} twice`)
  return { names, timeColumn: names.indexOf('event_time') }
}

/** The fields of one record, blanks around them left out; null when a quote is not closed. */
export function csvFields(text: string): string[] | null {
  if (!text.includes('"')) return text.split(',').map((field) => field.trim())
  const fields: string[] = []
  let at = 0
  for (;;) {
    while (text[at] === ' ' || text[at] === '\t') at++
    let field = ''
    if (text[at] === '"') {
      const end = closingQuote(text, at + 1)
      if (end < 0) return null
      field = text.slice(at + 1, end).replaceAll('""', '"')
      at = end + 1
    }
    const comma = text.indexOf(',', at)
    const stop = comma < 0 ? text.length : comma
    // Nothing belongs between a closing quote and the comma; what stands there is kept, to be refused.
    fields.push(field + text.slice(at, stop).trim())
    if (comma < 0) return fields
    at = comma + 1
  }
}

function closingQuote(text: string, from: number): number {
  for (let at = text.indexOf('"', from); at >= 0; at = text.indexOf('"', at + 2))
    if (text[at + 1] !== '"') return at
  return -1
}

/** The event time's text of a record, as cheaply as it can be had; empty when there is none. */
export function csvTime(text: string, header: CsvHeader): string {
  const { timeColumn } = header
  if (text.includes('"')) return csvFields(text)?.[timeColumn] ?? ''
  let from = 0
  for (let column = 0; column < timeColumn; column++) {
    const comma = text.indexOf(',', from)
    if (comma < 0) return ''
    from = comma + 1
  }
  const end = text.indexOf(',', from)
  return text.slice(from, end < 0 ? text.length : end).trim()
}

/** A record as JSON text: numbers where the text is one, else the text; `why` when it cannot be a trip. */
export type CsvTrip = Readonly<{ json: string; why: string | null }>

/**
 * One record as a trip. A record that cannot be one becomes an object too, so that it is kept as a dead letter that
 * can be read and mended: with its values as text where they can be told apart, else with the record as it stands.
 */
export function csvTrip(
  text: string,
  header: CsvHeader,
  place: Readonly<{ file: string; line: number }>,
): CsvTrip {
  const { names } = header
  const fields = csvFields(text)
  if (fields?.length !== names.length) {
    const why = fields
      ? `${fields.length} fields where the header names ${names.length}`
      : 'a quote is opened and not closed'
    return { json: JSON.stringify({ ...place, why, raw: text }), why }
  }
  let json = ''
  const values: Record<string, string | number> = {}
  for (let column = 0; column < names.length; column++) {
    const name = names[column] ?? ''
    const field = fields[column] ?? ''
    // A blank in a column that no trip needs says nothing.
    if (field === '' && !NEEDED.has(name)) continue
    const number = NUMBERS.has(name) ? numberText(field) : null
    values[name] = number === null ? field : Number(number)
    json += `${json === '' ? '{' : ','}${JSON.stringify(name)}:${number ?? JSON.stringify(field)}`
  }
  // How far ahead a trip may be is the server's to say.
  const parsed = parseTrip(values, Number.POSITIVE_INFINITY)
  if (parsed.ok) return { json: `${json}}`, why: null }
  const [first] = parsed.refusals
  // Where it stood helps whoever mends it; a good trip has no such fields.
  const tail = `,"file":${JSON.stringify(place.file)},"line":${place.line}}`
  return { json: json + tail, why: `${first?.code}: ${first?.message}` }
}

/** The text of a JSON number, or null when the field is none. */
function numberText(field: string): string | null {
  if (JSON_NUMBER.test(field)) return field
  return LOOSE_NUMBER.test(field) ? String(Number(field)) : null
}
