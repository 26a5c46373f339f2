import { isUtf8 } from 'node:buffer'

import { messageOf } from '../actors/kernel/errors.ts'
import type { DeadLetter, Refusal } from '../actors/model/fact.ts'
import { parsePing, type Ping } from '../actors/model/ping.ts'
import { elementSpans, flatShape, lineSpans, type Span, trimmed } from './json-shape.ts'
import type { GatewayOptions } from './options.ts'
import { bytesAsPieces, cutBytes, type Pieces, textAsPieces } from './pieces.ts'
import { EMPTY, NOT_UTF8, notJson, tooDeep, tooLarge, tooMany, tooManyRefused } from './refusals.ts'

/** A refused ping and its place in its message; the reason is that of its first bad field. */
export type RefusedPing = Readonly<{ index: number }> & Refusal

/** What a frame or a body holds, checked. */
export type Message = Readonly<{
  receivedMs: number
  /** False for a lone object and for what cannot be taken apart: answered without counts. */
  batch: boolean
  pings: readonly Ping[]
  /** JSON text of exactly `pings`, the sender's own wherever nothing was refused. */
  payload: string | Uint8Array
  deadLetters: readonly DeadLetter[]
  /** The first of them, at most `refusedListMax`. */
  refused: readonly RefusedPing[]
  refusedCount: number
  /** Every reason, when the message was refused as one. */
  reasons: readonly Refusal[]
}>

/** What reading a message needs to know beside its bytes. */
export type Receipt = Readonly<{ receivedMs: number; source: string; limits: GatewayOptions }>

/**
 * Takes a message apart: a JSON object, a JSON list of objects, or NDJSON. One cheap look decides
 * whether it can be parsed at one go; if anything in it is refused, it is read again piece by piece.
 */
export function readMessage(input: string | Uint8Array, receipt: Receipt): Message {
  if (typeof input !== 'string' && !isUtf8(input)) return readPieces(bytesAsPieces(input), receipt)
  const text =
    typeof input === 'string'
      ? input
      : Buffer.from(input.buffer, input.byteOffset, input.byteLength).toString()
  const hasMark = text.charCodeAt(0) === 0xfeff
  const bare = hasMark ? text.slice(1) : text
  return readFlat(bare, hasMark ? bare : input, receipt) ?? readPieces(textAsPieces(bare), receipt)
}

function readFlat(text: string, payload: string | Uint8Array, receipt: Receipt): Message | null {
  const { limits } = receipt
  const shape = flatShape(text, {
    bytesMax: limits.pingBytesMax,
    objectsMax: limits.pingsPerMessageMax,
  })
  if (!shape || shape.objects === 0) return null
  const values = parseFlat(text, shape.objects, shape.broken)
  if (values === null) return null
  const batch = Array.isArray(values)
  const pings: Ping[] = []
  for (const value of batch ? values : [values]) {
    const parsed = parsePing(value, receipt.receivedMs, limits.time)
    if (!parsed.ok) return null
    pings.push(parsed.ping)
  }
  return { ...NOTHING_REFUSED, receivedMs: receipt.receivedMs, batch, pings, payload }
}

const NOTHING_REFUSED = { deadLetters: [], refused: [], refusedCount: 0, reasons: [] } as const

/** One value for a lone object, a list for a batch, null when it is neither as it stands. */
function parseFlat(text: string, objects: number, broken: boolean): unknown {
  try {
    const first = text.trimStart().charCodeAt(0)
    if (objects === 1 || first !== 123) return JSON.parse(text)
    if (broken) return null
    const lines = Bun.JSONL.parseChunk(text)
    return lines.done && !lines.error && lines.values.length === objects ? lines.values : null
  } catch {
    return null
  }
}

function readPieces(pieces: Pieces, receipt: Receipt): Message {
  const { view } = pieces
  const whole = trimmed(view, 0, view.length)
  const refuseAll = (refusal: Refusal): Message =>
    refusedWhole(refusal, deadLetterOf(pieces, whole, refusal, receipt), receipt)
  if (whole.end === whole.start) return refuseAll(EMPTY)
  const spans = batchSpans(view, whole, receipt.limits)
  if (!spans) {
    if (view[whole.start] !== '[') return readLone(pieces, whole, receipt)
    return refuseAll(notJson(pieces.text(whole) ?? '', 'the list does not end'))
  }
  if (spans.length === 0) return refuseAll(EMPTY)
  if (spans.length > receipt.limits.pingsPerMessageMax) {
    return refuseAll(tooMany(receipt.limits.pingsPerMessageMax))
  }
  return readBatch(pieces, spans, receipt, refuseAll)
}

const NOTHING_TAKEN = { batch: false, pings: [], payload: '', refused: [] } as const

function refusedWhole(refusal: Refusal, deadLetter: DeadLetter, { receivedMs }: Receipt): Message {
  const deadLetters = [deadLetter]
  return { ...NOTHING_TAKEN, receivedMs, deadLetters, refusedCount: 1, reasons: [refusal] }
}

/** The pieces of a list or of lines; null for a lone value. */
function batchSpans(view: string, whole: Span, limits: GatewayOptions): readonly Span[] | null {
  if (view[whole.start] === '[') {
    const elements = elementSpans(view, whole, limits.pingsPerMessageMax)
    if (elements) return elements
  }
  if (view.indexOf('\n', whole.start) === -1 || view.indexOf('\n', whole.start) > whole.end)
    return null
  const lines = lineSpans(view, limits.pingsPerMessageMax)
  // An object written over several lines has none that is an object by itself.
  const isObject = (line: Span): boolean => view[line.start] === '{' && view[line.end - 1] === '}'
  return lines.length > 1 && lines.some(isObject) ? lines : null
}

function readLone(pieces: Pieces, span: Span, receipt: Receipt): Message {
  const read = readPing(pieces, span, receipt)
  if (read.ok) {
    const { receivedMs } = receipt
    const pings = [read.ping]
    return { ...NOTHING_REFUSED, receivedMs, batch: false, pings, payload: read.text }
  }
  const refusal = summary(read.refusals[0], read.refusals)
  const deadLetter = deadLetterOf(pieces, span, refusal, receipt)
  return { ...refusedWhole(refusal, deadLetter, receipt), reasons: read.refusals }
}

function readBatch(
  pieces: Pieces,
  spans: readonly Span[],
  receipt: Receipt,
  refuseAll: (refusal: Refusal) => Message,
): Message {
  const { refusedListMax, refusedPerMessageMax } = receipt.limits
  const pings: Ping[] = []
  const texts: string[] = []
  const deadLetters: DeadLetter[] = []
  const refused: RefusedPing[] = []
  for (const [index, span] of spans.entries()) {
    const read = readPing(pieces, span, receipt)
    if (read.ok) {
      pings.push(read.ping)
      // A line break outside of strings is space, and inside JSON strings there is none.
      texts.push(read.text.includes('\n') ? read.text.replace(/[\r\n]+/g, ' ') : read.text)
      continue
    }
    const refusal = summary(read.refusals[0], read.refusals)
    deadLetters.push(deadLetterOf(pieces, span, refusal, receipt))
    if (refused.length < refusedListMax) refused.push({ index, ...refusal })
    if (deadLetters.length > refusedPerMessageMax) {
      return refuseAll(tooManyRefused(refusedPerMessageMax, deadLetters[0]))
    }
  }
  const refusedCount = deadLetters.length
  return {
    receivedMs: receipt.receivedMs,
    batch: true,
    pings,
    payload: texts.join('\n'),
    deadLetters,
    refused,
    refusedCount,
    reasons: [],
  }
}

type Refusals = readonly [Refusal, ...Refusal[]]
type ReadPing =
  Readonly<{ ok: true; ping: Ping; text: string }> | Readonly<{ ok: false; refusals: Refusals }>

function readPing(pieces: Pieces, span: Span, receipt: Receipt): ReadPing {
  const { limits } = receipt
  const refuse = (refusal: Refusal): ReadPing => ({ ok: false, refusals: [refusal] })
  if (span.end - span.start > limits.pingBytesMax) {
    return refuse(tooLarge(limits.pingBytesMax, span.end - span.start, 'a ping'))
  }
  if (span.depth > limits.jsonDepthMax) return refuse(tooDeep(limits.jsonDepthMax, span.depth))
  const text = pieces.text(span)
  if (text === null) return refuse(NOT_UTF8)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    return refuse(notJson(text, messageOf(cause)))
  }
  const parsed = parsePing(value, receipt.receivedMs, limits.time)
  if (parsed.ok) return { ok: true, ping: parsed.ping, text }
  const [first, ...more] = parsed.refusals
  return first ? { ok: false, refusals: [first, ...more] } : refuse(notJson(text, 'refused'))
}

/** The first reason, with the words of all. */
function summary(first: Refusal, all: readonly Refusal[]): Refusal {
  return all.length < 2 ? first : { ...first, message: all.map((one) => one.message).join('; ') }
}

function deadLetterOf(
  pieces: Pieces,
  span: Span,
  refusal: Refusal,
  { receivedMs, source, limits }: Receipt,
): DeadLetter {
  return { ...refusal, ...pieces.raw(span, limits.deadLetterBytesMax), receivedMs, source }
}

/** A message that is refused as one, its parts not looked at. */
export function refuseUnread(
  input: string | Uint8Array,
  refusal: Refusal,
  receipt: Receipt,
): Message {
  const { receivedMs, source, limits } = receipt
  // A character is a byte or more: this cuts no byte that would be kept.
  const whole =
    typeof input === 'string' ? Buffer.from(input.slice(0, limits.deadLetterBytesMax + 1)) : input
  const kept = cutBytes(whole, limits.deadLetterBytesMax)
  return refusedWhole(refusal, { ...refusal, ...kept, receivedMs, source }, receipt)
}
