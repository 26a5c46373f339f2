import { isUtf8 } from 'node:buffer'

import { messageOf } from '../actors/kernel/errors.ts'
import type { DeadLetter, Refusal } from '../actors/model/fact.ts'
import type { Ping } from '../actors/model/ping.ts'
import { tableHead, tablePieces } from './csv.ts'
import type { ItemKind } from './item-kind.ts'
import { elementSpans, flatShape, lineSpans, type Span, trimmed } from './json-shape.ts'
import type { GatewayOptions } from './options.ts'
import { bytesAsPieces, cutBytes, type Pieces, textAsPieces } from './pieces.ts'
import { empty, notJson, tooDeep, tooLarge, tooMany, tooManyRefused } from './refusals.ts'

/** A refused ping or trip and its place in its message; the reason is that of its first bad field. */
export type RefusedItem = Readonly<{ index: number }> & Refusal

/** What a frame or a body holds, checked. */
export type Message<Item = Ping> = Readonly<{
  noun: ItemKind<Item>['noun']
  receivedMs: number
  /** False for a lone object and for what cannot be taken apart: answered without counts. */
  batch: boolean
  items: readonly Item[]
  /** JSON text of exactly `items`, the sender's own wherever nothing was refused. */
  payload: string | Uint8Array
  deadLetters: readonly DeadLetter[]
  /** The first of them, at most `refusedListMax`. */
  refused: readonly RefusedItem[]
  refusedCount: number
  /** Every reason, when the message was refused as one. */
  reasons: readonly Refusal[]
}>

/** A message of which only the number of its items matters. */
export type AnyMessage = Message<unknown>

/** What reading a message needs to know beside its bytes. */
export type Receipt<Item = Ping> = Readonly<{
  kind: ItemKind<Item>
  receivedMs: number
  source: string
  limits: GatewayOptions
}>

/**
 * Takes a message apart: a JSON object, a JSON list of objects, NDJSON, or a table where the kind has one. One cheap look decides
 * whether it can be parsed at one go; if anything in it is refused, it is read again piece by piece.
 */
export function readMessage<Item>(
  input: string | Uint8Array,
  receipt: Receipt<Item>,
): Message<Item> {
  if (typeof input !== 'string' && !isUtf8(input)) return readPieces(bytesAsPieces(input), receipt)
  const text =
    typeof input === 'string'
      ? input
      : Buffer.from(input.buffer, input.byteOffset, input.byteLength).toString()
  const hasMark = text.charCodeAt(0) === 0xfeff
  const bare = hasMark ? text.slice(1) : text
  return readFlat(bare, hasMark ? bare : input, receipt) ?? readPieces(textAsPieces(bare), receipt)
}

function readFlat<Item>(
  text: string,
  payload: string | Uint8Array,
  receipt: Receipt<Item>,
): Message<Item> | null {
  const { kind, receivedMs, limits } = receipt
  const shape = flatShape(text, {
    bytesMax: limits.pingBytesMax,
    objectsMax: limits.pingsPerMessageMax,
  })
  if (!shape || shape.objects === 0) return null
  const values = parseFlat(text, shape.objects, shape.broken)
  if (values === null) return null
  const batch = Array.isArray(values)
  const items: Item[] = []
  for (const value of batch ? values : [values]) {
    const parsed = kind.parse(value, receivedMs, limits)
    if (!parsed.ok) return null
    items.push(parsed.item)
  }
  return { ...NOTHING_REFUSED, noun: kind.noun, receivedMs, batch, items, payload }
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

function readPieces<Item>(pieces: Pieces, receipt: Receipt<Item>): Message<Item> {
  const { view } = pieces
  const { noun, columns } = receipt.kind
  const itemsMax = receipt.limits.pingsPerMessageMax
  const whole = trimmed(view, 0, view.length)
  const refuseAll = (refusal: Refusal): Message<Item> =>
    refusedWhole(refusal, deadLetterOf(pieces, whole, refusal, receipt), receipt)
  if (whole.end === whole.start) return refuseAll(empty(noun))
  const head = columns && tableHead(view, columns)
  const spans = head ? lineSpans(view, itemsMax + 1).slice(1) : batchSpans(view, whole, itemsMax)
  if (!spans) {
    if (view[whole.start] !== '[') return readLone(pieces, whole, receipt)
    const text = pieces.text(whole)
    return refuseAll(notJson(typeof text === 'string' ? text : '', 'the list does not end'))
  }
  if (spans.length === 0) return refuseAll(empty(noun))
  if (spans.length > itemsMax) return refuseAll(tooMany(itemsMax, noun))
  const own = head && columns ? tablePieces(pieces, head, columns) : pieces
  return readBatch(own, spans, receipt, refuseAll)
}

const NOTHING_TAKEN = { batch: false, items: [], payload: '', refused: [] } as const

function refusedWhole<Item>(
  refusal: Refusal,
  deadLetter: DeadLetter,
  { kind: { noun }, receivedMs }: Receipt<Item>,
): Message<Item> {
  const reasons = [refusal]
  const deadLetters = [deadLetter]
  return { ...NOTHING_TAKEN, noun, receivedMs, deadLetters, refusedCount: 1, reasons }
}

/** The pieces of a list or of lines; null for a lone value. */
function batchSpans(view: string, whole: Span, itemsMax: number): readonly Span[] | null {
  if (view[whole.start] === '[') {
    const elements = elementSpans(view, whole, itemsMax)
    if (elements) return elements
  }
  if (view.indexOf('\n', whole.start) === -1 || view.indexOf('\n', whole.start) > whole.end)
    return null
  const lines = lineSpans(view, itemsMax)
  // An object written over several lines has none that is an object by itself.
  const isObject = (line: Span): boolean => view[line.start] === '{' && view[line.end - 1] === '}'
  return lines.length > 1 && lines.some(isObject) ? lines : null
}

function readLone<Item>(pieces: Pieces, span: Span, receipt: Receipt<Item>): Message<Item> {
  const read = readItem(pieces, span, receipt)
  if (read.ok) {
    const { kind, receivedMs } = receipt
    const items = [read.item]
    const { text: payload } = read
    return { ...NOTHING_REFUSED, noun: kind.noun, receivedMs, batch: false, items, payload }
  }
  const refusal = summary(read.refusals[0], read.refusals)
  const deadLetter = deadLetterOf(pieces, span, refusal, receipt)
  return { ...refusedWhole(refusal, deadLetter, receipt), reasons: read.refusals }
}

function readBatch<Item>(
  pieces: Pieces,
  spans: readonly Span[],
  receipt: Receipt<Item>,
  refuseAll: (refusal: Refusal) => Message<Item>,
): Message<Item> {
  const { refusedListMax, refusedPerMessageMax } = receipt.limits
  const { noun } = receipt.kind
  const items: Item[] = []
  const texts: string[] = []
  const deadLetters: DeadLetter[] = []
  const refused: RefusedItem[] = []
  for (const [index, span] of spans.entries()) {
    const read = readItem(pieces, span, receipt)
    if (read.ok) {
      items.push(read.item)
      // A line break outside of strings is space, and inside JSON strings there is none.
      texts.push(read.text.includes('\n') ? read.text.replace(/[\r\n]+/g, ' ') : read.text)
      continue
    }
    const refusal = summary(read.refusals[0], read.refusals)
    deadLetters.push(deadLetterOf(pieces, span, refusal, receipt))
    if (refused.length < refusedListMax) refused.push({ index, ...refusal })
    if (deadLetters.length > refusedPerMessageMax) {
      return refuseAll(tooManyRefused(refusedPerMessageMax, noun, deadLetters[0]))
    }
  }
  const refusedCount = deadLetters.length
  return {
    noun,
    receivedMs: receipt.receivedMs,
    batch: true,
    items,
    payload: texts.join('\n'),
    deadLetters,
    refused,
    refusedCount,
    reasons: [],
  }
}

type Refusals = readonly [Refusal, ...Refusal[]]
type ReadItem<Item> =
  Readonly<{ ok: true; item: Item; text: string }> | Readonly<{ ok: false; refusals: Refusals }>

function readItem<Item>(pieces: Pieces, span: Span, receipt: Receipt<Item>): ReadItem<Item> {
  const { kind, limits } = receipt
  const refuse = (refusal: Refusal): ReadItem<Item> => ({ ok: false, refusals: [refusal] })
  if (span.end - span.start > limits.pingBytesMax) {
    return refuse(tooLarge(limits.pingBytesMax, span.end - span.start, `a ${kind.noun}`))
  }
  if (span.depth > limits.jsonDepthMax) return refuse(tooDeep(limits.jsonDepthMax, span.depth))
  const text = pieces.text(span)
  if (typeof text !== 'string') return refuse(text)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    return refuse(notJson(text, messageOf(cause)))
  }
  const parsed = kind.parse(value, receipt.receivedMs, limits)
  if (parsed.ok) return { ok: true, item: parsed.item, text }
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
  { receivedMs, source, limits }: Omit<Receipt, 'kind'>,
): DeadLetter {
  return { ...refusal, ...pieces.raw(span, limits.deadLetterBytesMax), receivedMs, source }
}

/** A message that is refused as one, its parts not looked at. */
export function refuseUnread<Item>(
  input: string | Uint8Array,
  refusal: Refusal,
  receipt: Receipt<Item>,
): Message<Item> {
  const { receivedMs, source, limits } = receipt
  // A character is a byte or more: this cuts no byte that would be kept.
  const whole =
    typeof input === 'string' ? Buffer.from(input.slice(0, limits.deadLetterBytesMax + 1)) : input
  const kept = cutBytes(whole, limits.deadLetterBytesMax)
  return refusedWhole(refusal, { ...refusal, ...kept, receivedMs, source }, receipt)
}
