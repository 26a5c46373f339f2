import type { DeadLetter, DeadLetterFact, FrameFact, Retry, RetryFact } from '../model/fact.ts'
import { frameValues } from '../model/frame.ts'
import type { Offer, RelayStamp } from '../model/offer.ts'
import type { Tide, TimerMessage } from './behavior.ts'
import type { Delivery } from './delivery.ts'
import { OrreryError } from './errors.ts'
import type { JournalEntry, JournalRecord } from './journal.ts'

const decoder = new TextDecoder()
const LINE_FEED = 10

/** What a stream's frames hold, and how one message of them is read that was accepted once. */
export type FrameKind<Message> = Readonly<{
  kind: FrameFact['kind']
  parse: (value: unknown) => Message
}>

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
  { messages, payload, receivedMs, source }: Offer<unknown>,
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

/** A flush as an entry of the journal: a replay sees it at the same place. */
export function flushEntry(source: string, receivedMs: number): JournalEntry {
  return { kind: 'flush', count: 1, receivedMs, source, payload: '' }
}

/** An entry that an edge gateway forwarded, and its place there, as one: what is on disk is known to be taken. */
export function relayedEntry(entry: JournalEntry, relay: RelayStamp): JournalEntry {
  const { sender, sequence } = relay
  const head = `${JSON.stringify({ kind: entry.kind, sender, sequence })}\n`
  const { payload } = entry
  if (typeof payload === 'string') return { ...entry, kind: 'relayed', payload: head + payload }
  const bytes = new Uint8Array(Buffer.concat([Buffer.from(head), payload]))
  return { ...entry, kind: 'relayed', payload: bytes }
}

/** What a flush means; how far the stream has come is known to who hands it on. */
export const FLUSH: Tide = { watermarkMs: -Infinity, flush: true }

/** What a record of the journal means to the actors. With `skipActors` only its frame is wanted. */
export function deliveryOf<Message>(
  record: JournalRecord,
  partition: number,
  frames: FrameKind<Message>,
  skipActors = false,
): Delivery<Message> {
  const { offset, count, receivedMs, payload } = record
  const at = { offset, count, receivedMs }
  switch (record.kind) {
    case 'pings':
    case 'trips': {
      if (record.kind !== frames.kind) throw notOurs(record)
      const frame = frameOf(record, partition, frames.kind)
      const messages = skipActors ? [] : messagesOf(frame, frames)
      return { ...at, kind: 'messages', messages, frame, applied: null }
    }
    case 'dead_letter':
      return { ...at, kind: 'fact', fact: deadLetterOf(record, partition) }
    case 'retry':
      return retried(record, partition, frames, skipActors)
    case 'relayed': {
      const { kind, body, ...relay } = relayedOf(payload)
      const forwarded = { ...record, kind, payload: body }
      return { ...deliveryOf(forwarded, partition, frames, skipActors), relay }
    }
    case 'timer': {
      const { key, ...timer } = JSON.parse(decoder.decode(payload)) as TimerPayload
      return { ...at, kind: 'timer', key, timer, applied: null }
    }
    case 'flush':
      return { ...at, kind: 'tide', tide: skipActors ? null : FLUSH, applied: null }
  }
}

type RelayedHead = RelayStamp & Pick<JournalRecord, 'kind'>

function relayedOf(payload: Uint8Array): RelayedHead & Readonly<{ body: Uint8Array }> {
  const headEnd = payload.indexOf(LINE_FEED)
  const { kind, sender, sequence } = JSON.parse(
    decoder.decode(payload.subarray(0, headEnd)),
  ) as RelayedHead
  // What is within is none of these: it would never end.
  if (kind === 'relayed') throw new OrreryError('journal_corrupt', 'an entry was relayed twice')
  return { kind, sender, sequence, body: payload.subarray(headEnd + 1) }
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

/** A frame as it stands in the journal. */
export function frameOf(
  {
    offset,
    count,
    receivedMs,
    source,
    payload,
  }: Omit<JournalRecord, 'payload' | 'kind'> & Pick<JournalEntry, 'payload'>,
  partition: number,
  kind: FrameFact['kind'],
): FrameFact {
  return { kind, partition, offset, part: 0, count, receivedMs, source, payload }
}

/** What a retry comes to: its messages as a frame like any other, and then what came of the letter. */
function retried<Message>(
  record: JournalRecord,
  partition: number,
  frames: FrameKind<Message>,
  skipActors: boolean,
): Delivery<Message> {
  const { offset, count, receivedMs, source, payload } = record
  const at = { offset, count, receivedMs }
  const headEnd = payload.indexOf(LINE_FEED)
  const retry = JSON.parse(decoder.decode(payload.subarray(0, headEnd))) as Retry
  const messageCount = count - 1
  const fact: RetryFact = {
    ...retry,
    kind: 'retry',
    partition,
    offset: offset + messageCount,
    part: 0,
    receivedMs,
    source,
  }
  if (messageCount === 0) return { ...at, kind: 'fact', fact }
  const body = { ...record, count: messageCount, payload: payload.subarray(headEnd + 1) }
  const frame = frameOf(body, partition, frames.kind)
  const messages = skipActors ? [] : messagesOf(frame, frames)
  return { ...at, kind: 'messages', messages, frame, retry: fact, applied: null }
}

function messagesOf<Message>(
  { kind, payload, count }: FrameFact,
  { parse }: FrameKind<Message>,
): readonly Message[] {
  const values = frameValues(payload, count)
  if (values) return values.map(parse)
  throw new OrreryError('journal_corrupt', `a frame of ${count} ${kind} holds another number`)
}

function notOurs({ offset, kind }: JournalRecord): OrreryError {
  const message = `offset ${offset} holds ${kind}: this is the journal of another stream`
  return new OrreryError('journal_corrupt', message)
}
