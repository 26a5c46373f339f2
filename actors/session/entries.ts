import type { TimerMessage } from '../kernel/behavior.ts'
import { OrreryError } from '../kernel/errors.ts'
import type { JournalEntry, JournalRecord } from '../kernel/journal.ts'
import type { Delivery } from '../kernel/partition.ts'
import type { DeadLetter, DeadLetterFact, PingsFact, Retry, RetryFact } from '../model/fact.ts'
import { frameValues } from '../model/frame.ts'
import type { Offer } from '../model/offer.ts'
import { parseAccepted } from '../model/ping.ts'
import type { Ping } from '../model/ping.ts'

const decoder = new TextDecoder()
const LINE_FEED = 10

/** A dead letter as an entry of the journal: durable before its sender hears of it. */
export function deadLetterEntry(letter: DeadLetter): JournalEntry {
  const { raw, receivedMs, source, ...rest } = letter
  const payload = JSON.stringify({ ...rest, raw: Buffer.from(raw).toString('base64') })
  return { kind: 'dead_letter', count: 1, receivedMs, source, payload }
}

/**
 * A dead letter that was read again: the pings that were accepted, and what came of it, as one entry. So there
 * is no crash between them. The pings take the first offsets, what came of it the last.
 */
export function retryEntry(
  { messages, payload, receivedMs, source }: Offer,
  retry: Retry,
): JournalEntry & Readonly<{ payload: Uint8Array }> {
  const head = Buffer.from(`${JSON.stringify(retry)}\n`)
  const body = typeof payload === 'string' ? Buffer.from(payload) : payload
  const bytes = new Uint8Array(Buffer.concat([head, body]))
  return { kind: 'retry', count: messages.length + 1, receivedMs, source, payload: bytes }
}

/** A due timer as an entry of the journal: a replay sees it fire at the same place. */
export function timerEntry(key: string, timer: TimerMessage, nowMs: number): JournalEntry {
  const payload = JSON.stringify({ key, ...timer })
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
      const messages = skipActors ? [] : messagesOf(frame)
      return { ...at, kind: 'messages', messages, frame, applied: null }
    }
    case 'dead_letter':
      return { ...at, kind: 'fact', fact: deadLetterOf(record, partition) }
    case 'retry':
      return retried(record, partition, skipActors)
    case 'timer': {
      const { key, ...timer } = JSON.parse(decoder.decode(payload)) as TimerPayload
      return { ...at, kind: 'timer', key, timer, applied: null }
    }
    case 'trips':
      throw new OrreryError(
        'journal_newer',
        `offset ${offset}: entries of kind trips need a newer version`,
      )
  }
}

type TimerPayload = { key: string } & TimerMessage
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

/** What a retry comes to: its pings as a frame like any other, and then what came of the letter. */
function retried(record: JournalRecord, partition: number, skipActors: boolean): Delivery<Ping> {
  const { offset, count, receivedMs, source, payload } = record
  const at = { offset, count, receivedMs }
  const headEnd = payload.indexOf(LINE_FEED)
  const retry = JSON.parse(decoder.decode(payload.subarray(0, headEnd))) as Retry
  const pings = count - 1
  const fact: RetryFact = {
    ...retry,
    kind: 'retry',
    partition,
    offset: offset + pings,
    part: 0,
    receivedMs,
    source,
  }
  if (pings === 0) return { ...at, kind: 'fact', fact }
  const frame: PingsFact = {
    kind: 'pings',
    partition,
    offset,
    part: 0,
    count: pings,
    receivedMs,
    source,
    payload: payload.subarray(headEnd + 1),
  }
  const messages = skipActors ? [] : messagesOf(frame)
  return { ...at, kind: 'messages', messages, frame, retry: fact, applied: null }
}

function messagesOf({ payload, count }: PingsFact): readonly Ping[] {
  const values = frameValues(payload, count)
  if (values) return values.map(parseAccepted)
  throw new OrreryError('journal_corrupt', `a frame of ${count} pings holds another number`)
}
