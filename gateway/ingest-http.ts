import type { Clock } from '../actors/kernel/clock.ts'
import type { Refusal } from '../actors/model/fact.ts'
import type { Ping } from '../actors/model/ping.ts'
import { readBody } from './body.ts'
import { tableHead } from './csv.ts'
import { errorResponse, keyRefused, retryAfter } from './http-error.ts'
import type { Intake, Sender } from './intake.ts'
import { keyOfHeaders, type Keys } from './keys.ts'
import { ByteBudget } from './limits.ts'
import { type AnyMessage, type Message, type RefusedItem, refuseUnread } from './message.ts'
import type { NotTaken, OfferOutcome } from './ports.ts'
import { empty, noHead, tooMany, tooManyRefused } from './refusals.ts'
import { countsText } from './replies.ts'

const TYPES = new Set([
  '',
  'application/json',
  'application/x-ndjson',
  'application/ndjson',
  'application/jsonl',
  'application/octet-stream',
  'text/plain',
])

/** Bytes that are read at one go; others get their turn between two windows. */
const WINDOW_BYTES = 262_144
const HEAD_BYTES_MAX = 4_096

/** `POST /ingest` and its like: a body of pings or trips, one answer with counts and reasons. */
export class IngestHttp<Item = Ping> {
  readonly #intake: Intake<Item>
  readonly #keys: Keys
  readonly #clock: Clock
  readonly #bodies: ByteBudget

  /** `bodies` is what all bodies that are read at one time may hold; ways in may share it. */
  constructor(
    intake: Intake<Item>,
    keys: Keys,
    clock: Clock,
    bodies = new ByteBudget(intake.options.bodiesBytesMax),
  ) {
    this.#intake = intake
    this.#keys = keys
    this.#clock = clock
    this.#bodies = bodies
  }

  /** Answers a request of a sender that shows its key. */
  async post(request: Request): Promise<Response> {
    return withKey(request, this.#keys, (source) => this.postAs(source, request))
  }

  /** Answers a request of a sender that is known already. */
  async postAs(source: string, request: Request): Promise<Response> {
    const type = (request.headers.get('content-type') ?? '').split(';')[0]?.trim().toLowerCase()
    const { columns } = this.#intake.kind
    const isTable = type === 'text/csv' && columns !== null
    if (!TYPES.has(type ?? '') && !isTable) {
      const understood = `application/x-ndjson${columns ? ', text/csv' : ''} and application/json`
      const message = `Content-Type ${type} is not understood; ${understood} are`
      return errorResponse(415, 'unsupported_type', message)
    }
    const sender = this.#intake.sender(source)
    const refused = refusedUnread(this.#intake, sender)
    if (refused) return refused
    const body = await readBody(request, this.#bodies, this.#clock, this.#intake.options)
    if (!body.ok) return body.response
    try {
      const bytes = withoutMark(body.bytes)
      const message =
        isTable && firstByte(bytes) !== undefined && !this.#headLine(bytes)
          ? refuseUnread(bytes, noHead(Object.keys(columns)), this.#intake.receipt(sender))
          : await this.#read(bytes, sender)
      const countDuplicates = new URL(request.url).searchParams.get('duplicates') === 'count'
      const outcome = await new Promise<OfferOutcome>((done) => {
        this.#intake.offer(message, sender, done, countDuplicates)
      })
      return answer(message, outcome)
    } finally {
      body.release()
    }
  }

  async #read(bytes: Uint8Array, sender: Sender): Promise<Message<Item>> {
    if (bytes.byteLength <= WINDOW_BYTES || firstByte(bytes) === 91) {
      return this.#intake.read(bytes, sender)
    }
    const { noun } = this.#intake.kind
    const { pingsPerMessageMax, refusedPerMessageMax } = this.#intake.options
    const head = this.#headLine(bytes)
    const refuseAll = (refusal: Refusal): Message<Item> =>
      refuseUnread(bytes, refusal, this.#intake.receipt(sender))
    const messages: Message<Item>[] = []
    let items = 0
    let refusedCount = 0
    for (let start = 0; start < bytes.byteLength;) {
      const end = windowEnd(bytes, start)
      const window = bytes.subarray(start, end)
      if (start > 0 && firstByte(window) === undefined) {
        start = end
        continue
      }
      const message = this.#intake.read(
        head && start > 0 ? Buffer.concat([head, window]) : window,
        sender,
      )
      messages.push(message)
      items += message.items.length + message.refusedCount
      refusedCount += message.refusedCount
      if (items > pingsPerMessageMax) return refuseAll(tooMany(pingsPerMessageMax, noun))
      const [reason] = message.reasons
      if (reason?.code.startsWith('too_many')) return refuseAll(reason)
      if (refusedCount > refusedPerMessageMax) {
        const first = messages[0]?.deadLetters[0]
        return refuseAll(tooManyRefused(refusedPerMessageMax, noun, first))
      }
      start = end
      await new Promise<void>((resolve) => this.#clock.soon(resolve))
    }
    const [first] = messages
    const { refusedListMax } = this.#intake.options
    return first
      ? joined(messages, first, head ? null : bytes, refusedListMax)
      : refuseAll(empty(noun))
  }

  /** The first line of a table, with its end: every window of it is read under that line. */
  #headLine(bytes: Uint8Array): Uint8Array | null {
    const { columns } = this.#intake.kind
    const text = columns && new TextDecoder().decode(bytes.subarray(0, HEAD_BYTES_MAX))
    return text && tableHead(text, columns) ? bytes.subarray(0, bytes.indexOf(10) + 1) : null
  }
}

/** Answers a request whose key is good with the name of the key. */
export async function withKey(
  request: Request,
  keys: Keys,
  answered: (source: string) => Promise<Response>,
): Promise<Response> {
  const key = keyOfHeaders(request.headers)
  const source = key === null ? null : keys.nameOf(key)
  const response = source === null ? keyRefused(key) : await answered(source)
  // A large body that nobody reads would hold its connection, and the server's end, for ever.
  if (!request.bodyUsed && !isSmall(request)) response.headers.set('connection', 'close')
  return response
}

/** What a sender is told before anything of it is read, or null. */
export function refusedUnread<Item>(intake: Intake<Item>, sender: Sender): Response | null {
  const waitMs = intake.waitMs(sender)
  if (waitMs > 0) {
    const message = `too many ${intake.kind.noun}s for this key, retry after ${waitMs} ms`
    return errorResponse(429, 'rate_limited', message, retryAfter(waitMs))
  }
  const refusal = intake.refusal()
  return refusal && notTaken(refusal)
}

function isSmall(request: Request): boolean {
  return Number(request.headers.get('content-length') ?? Infinity) <= WINDOW_BYTES
}

/** The bytes without the byte order mark that some editors write first. */
function withoutMark(bytes: Uint8Array): Uint8Array {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes
}

function firstByte(bytes: Uint8Array): number | undefined {
  return bytes.find((byte) => byte > 32)
}

/** The end of a window of whole lines. */
function windowEnd(bytes: Uint8Array, start: number): number {
  const from = start + WINDOW_BYTES
  const lineBreak = from >= bytes.byteLength ? -1 : bytes.indexOf(10, from)
  return lineBreak === -1 ? bytes.byteLength : lineBreak + 1
}

/** The windows of one body as one message; `bytes` are its payload if all of it is taken as it came. */
function joined<Item>(
  messages: readonly Message<Item>[],
  { noun, receivedMs }: Message<Item>,
  bytes: Uint8Array | null,
  refusedListMax: number,
): Message<Item> {
  const refused: RefusedItem[] = []
  let index = 0
  for (const message of messages) {
    for (const one of refusedOf(message)) {
      if (refused.length < refusedListMax) refused.push({ ...one, index: index + one.index })
    }
    index += message.items.length + message.refusedCount
  }
  const refusedCount = messages.reduce((sum, message) => sum + message.refusedCount, 0)
  const texts = messages.flatMap(({ items, payload }) =>
    items.length > 0 ? [textOf(payload)] : [],
  )
  return {
    noun,
    receivedMs,
    batch: true,
    items: messages.flatMap((message) => message.items),
    payload: refusedCount === 0 && bytes ? bytes : texts.join('\n'),
    deadLetters: messages.flatMap((message) => message.deadLetters),
    refused,
    refusedCount,
    reasons: [],
  }
}

function textOf(payload: string | Uint8Array): string {
  const text = typeof payload === 'string' ? payload : new TextDecoder().decode(payload)
  return text.trimEnd()
}

function refusedOf(message: AnyMessage): readonly RefusedItem[] {
  const [reason] = message.reasons
  return message.batch || !reason ? message.refused : [{ index: 0, ...reason }]
}

/** Nothing was kept, and when to come again. */
export function notTaken({ code, message, retryAfterMs }: NotTaken): Response {
  const text = `${message}, retry after ${retryAfterMs} ms`
  return errorResponse(503, code, text, retryAfter(retryAfterMs))
}

function answer(message: AnyMessage, outcome: OfferOutcome): Response {
  if (!outcome.ok) return notTaken(outcome)
  const refused = refusedOf(message)
  const { refusedCount } = message
  const accepted = message.items.length
  const counts = { accepted, refused, refusedCount }
  if (accepted === 0) {
    const code = message.reasons[0]?.code ?? 'all_refused'
    const text = message.reasons.map((reason) => reason.message).join('; ')
    const error = { code, message: text || countsText(message) }
    return Response.json({ error, ...counts }, { status: 400 })
  }
  const { duplicates, late } = outcome
  if (duplicates === null) return Response.json(counts)
  return Response.json({ ...counts, duplicates, ...(late === undefined ? {} : { late }) })
}
