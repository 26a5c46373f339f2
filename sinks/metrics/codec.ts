import { COUNT_NAMES, type Counts, noCounts } from './counts.ts'

/** One of the two marks of a partition: counts by minute, and what goes with them. */
export type MetricsDocument = Readonly<{
  /** Pairs a head with the base that it changes. */
  generation: number
  offset: number
  totals: Counts
  minutes: ReadonlyMap<number, Counts>
}>

/** Version of the encoding; a higher one was written by a newer program. */
const VERSION = 1

/** As JSON: names are left out, numbers stand in the order of COUNT_NAMES. */
export function encodeDocument(document: MetricsDocument): Uint8Array {
  const { generation, offset } = document
  const minutes = [...document.minutes].map(([minute, counts]) => [minute, ...numbersOf(counts)])
  const json = { version: VERSION, generation, offset, totals: numbersOf(document.totals), minutes }
  return new TextEncoder().encode(JSON.stringify(json))
}

/** Reads what `encodeDocument` wrote, with fewer counts too; throws when it is anything else. */
export function decodeDocument(bytes: Uint8Array): MetricsDocument {
  const json: unknown = JSON.parse(new TextDecoder().decode(bytes))
  if (typeof json !== 'object' || json === null) throw new Error('no object')
  const { version, generation, offset, totals, minutes } = {
    ...{ version: null, generation: null, offset: null, totals: null, minutes: null },
    ...json,
  }
  if (version !== VERSION) throw new Error(`version ${String(version)}, not ${VERSION}`)
  const rows: readonly unknown[] = Array.isArray(minutes) ? minutes : [minutes]
  return {
    generation: wholeNumber(generation),
    offset: wholeNumber(offset),
    totals: countsOf(wholeNumbers(totals)),
    minutes: new Map(
      rows.map((row) => {
        const [minute, ...counts] = wholeNumbers(row)
        return [wholeNumber(minute), countsOf(counts)]
      }),
    ),
  }
}

function numbersOf(counts: Counts): number[] {
  return COUNT_NAMES.map((name) => counts[name])
}

function countsOf(numbers: readonly number[]): Counts {
  const counts = noCounts()
  for (const [index, name] of COUNT_NAMES.entries()) counts[name] = numbers[index] ?? 0
  return counts
}

function wholeNumbers(value: unknown): number[] {
  if (!Array.isArray(value)) throw new Error('no list of numbers')
  return value.map(wholeNumber)
}

function wholeNumber(value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) {
    throw new Error(`no whole number: ${JSON.stringify(value)}`)
  }
  return value
}
