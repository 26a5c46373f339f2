import { OrreryError } from '../kernel/errors.ts'
import type { JournalEntry, JournalRecord } from '../kernel/journal.ts'
import type { Delivery } from '../kernel/partition.ts'
import type { DeadLetter, DeadLetterFact } from '../model/fact.ts'
import { parseAccepted } from '../model/ping.ts'
import type { Ping } from '../model/ping.ts'

const decoder = new TextDecoder()

/** A dead letter as an entry of the journal: durable before its sender hears of it. */
export function deadLetterEntry(letter: DeadLetter): JournalEntry {
  const { raw, receivedMs, source, ...rest } = letter
  const payload = JSON.stringify({ ...rest, raw: Buffer.from(raw).toString('base64') })
  return { kind: 'dead_letter', count: 1, receivedMs, source, payload }
}

/** A due timer as an entry of the journal: a replay sees it fire at the same place. */
export function timerEntry(key: string, timer: string, dueMs: number, nowMs: number): JournalEntry {
  const payload = JSON.stringify({ key, timer, dueMs })
  return { kind: 'timer', count: 1, receivedMs: nowMs, source: 'timer', payload }
}

/** What a record of the journal means to the actors. With `skipActors` only its frame is wanted. */
export function deliveryOf(
  record: JournalRecord,
  partition: number,
  skipActors = false,
): Delivery<Ping> {
  const { offset, count, receivedMs, source, payload } = record
  const at = { offset, count, receivedMs }
  switch (record.kind) {
    case 'pings': {
      const frame = {
        kind: 'pings',
        partition,
        offset,
        part: 0,
        count,
        receivedMs,
        source,
        payload,
      } as const
      const messages = skipActors ? [] : parsePayload(payload, count).map(parseAccepted)
      return { ...at, kind: 'messages', messages, frame, applied: null }
    }
    case 'dead_letter':
      return { ...at, kind: 'dead_letter', fact: deadLetterOf(record, partition) }
    case 'timer': {
      const { key, timer, dueMs } = JSON.parse(decoder.decode(payload)) as TimerPayload
      return { ...at, kind: 'timer', key, timer: { timer, dueMs } }
    }
    case 'trips':
      throw new OrreryError(
        'journal_newer',
        `offset ${offset}: entries of kind trips need a newer version`,
      )
  }
}

type TimerPayload = { key: string; timer: string; dueMs: number }
type DeadLetterPayload = Omit<DeadLetter, 'raw' | 'receivedMs' | 'source'> & { raw: string }

function deadLetterOf(record: JournalRecord, partition: number): DeadLetterFact {
  const { raw, ...rest } = JSON.parse(decoder.decode(record.payload)) as DeadLetterPayload
  const { offset, receivedMs, source } = record
  const bytes = new Uint8Array(Buffer.from(raw, 'base64'))
  return {
    ...rest,
    kind: 'dead_letter',
    partition,
    offset,
    part: 0,
    raw: bytes,
    receivedMs,
    source,
  }
}

const BRACKET = 91

/** The objects of a frame: one, an array of them, or one a line. */
export function parsePayload(payload: Uint8Array, count: number): readonly unknown[] {
  const first = payload.find((byte) => byte > 32)
  const values: unknown[] =
    first === BRACKET
      ? (JSON.parse(decoder.decode(payload)) as unknown[])
      : count === 1
        ? [JSON.parse(decoder.decode(payload))]
        : Bun.JSONL.parse(payload)
  if (values.length === count) return values
  throw new OrreryError('journal_corrupt', `a frame of ${count} pings holds ${values.length}`)
}
