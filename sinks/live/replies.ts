import { OrreryError } from '../../actors/kernel/errors.ts'

/** An entry of a partition's stream; without a delta it says that a snapshot stands anew. */
export type StreamEntry = Readonly<{
  id: string
  epoch: number
  seq: number
  delta: string | null
}>

/** A snapshot as it lies in Redis: deltas after `seq` are found after the entry `after`. */
export type StoredSnapshot = Readonly<{
  epoch: number
  seq: number
  after: string
  parts: readonly string[]
}>

/** How a partition stands; no epoch when it has no owner. */
export type Stand = Readonly<{
  partition: number
  epoch: number | null
  seq: number
  figures: object | null
}>

/** The answer of XREAD, by stream. */
export function entriesOf(answer: unknown): ReadonlyMap<string, readonly StreamEntry[]> {
  const streams = new Map<string, readonly StreamEntry[]>()
  if (answer === null || answer === undefined) return streams
  const pairs: readonly unknown[] = Array.isArray(answer)
    ? answer
    : Object.entries(recordOf(answer))
  for (const pair of pairs) {
    const [stream, entries] = listOf(pair)
    streams.set(String(stream), listOf(entries).map(entryOf))
  }
  return streams
}

/** The answer of HGETALL; null when there is none. */
export function snapshotOf(answer: unknown): StoredSnapshot | null {
  const fields = Array.isArray(answer) ? fieldsOf(answer) : recordOf(answer)
  if (Object.keys(fields).length === 0) return null
  const count = numberOf(fields['parts'])
  const parts = Array.from({ length: count }, (_, at) => textOf(fields[String(at)]))
  const { epoch, seq, after } = fields
  return { epoch: numberOf(epoch), seq: numberOf(seq), after: textOf(after), parts }
}

/** The answer of the script that looks. */
export function standsOf(answer: unknown): readonly Stand[] {
  return listOf(answer).map((one) => {
    const [partition, epoch, seq, figures] = listOf(one)
    return {
      partition: numberOf(partition),
      epoch: epoch === '' ? null : numberOf(epoch),
      seq: numberOf(seq),
      figures: figures === '' ? null : recordOf(JSON.parse(textOf(figures))),
    }
  })
}

function entryOf(entry: unknown): StreamEntry {
  const [id, list] = listOf(entry)
  const { epoch, seq, delta } = fieldsOf(listOf(list))
  return {
    ...{ id: textOf(id), epoch: numberOf(epoch), seq: numberOf(seq) },
    delta: delta === undefined ? null : textOf(delta),
  }
}

function fieldsOf(list: readonly unknown[]): Record<string, unknown> {
  const fields: Record<string, unknown> = {}
  for (let at = 0; at + 1 < list.length; at += 2) fields[String(list[at])] = list[at + 1]
  return fields
}

function listOf(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw unknownAnswer()
  return value
}

function recordOf(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null) throw unknownAnswer()
  return { ...value }
}

function textOf(value: unknown): string {
  if (typeof value !== 'string') throw unknownAnswer()
  return value
}

function numberOf(value: unknown): number {
  const number = Number(value)
  if (!Number.isSafeInteger(number)) throw unknownAnswer()
  return number
}

function unknownAnswer(): OrreryError {
  return new OrreryError('live_format', 'redis holds what no live feed of this version has written')
}
