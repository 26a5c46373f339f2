import type { Clock } from '../actors/kernel/clock.ts'
import type { Refusal } from '../actors/model/fact.ts'
import { readBody } from './body.ts'
import { errorResponse, keyRefused, retryAfter } from './http-error.ts'
import type { Intake, Sender } from './intake.ts'
import { keyOfHeaders, type Keys } from './keys.ts'
import { ByteBudget } from './limits.ts'
import { type Message, type RefusedPing, refuseUnread } from './message.ts'
import type { NotTaken, OfferOutcome } from './ports.ts'
import { tooMany, tooManyRefused } from './refusals.ts'
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

/** `POST /ingest`: a body of pings, one answer with counts and reasons. */
export class IngestHttp {
  readonly #intake: Intake
  readonly #keys: Keys
  readonly #clock: Clock
  readonly #bodies: ByteBudget

  constructor(intake: Intake, keys: Keys, clock: Clock) {
    this.#intake = intake
    this.#keys = keys
    this.#clock = clock
    this.#bodies = new ByteBudget(intake.options.bodiesBytesMax)
  }

  /** Answers a request of a sender that shows its key. */
  async post(request: Request): Promise<Response> {
    const response = await this.#post(request)
    // A large body that nobody reads would hold its connection, and the server's end, for ever.
    if (!request.bodyUsed && !isSmall(request)) response.headers.set('connection', 'close')
    return response
  }

  async #post(request: Request): Promise<Response> {
    const key = keyOfHeaders(request.headers)
    const source = key === null ? null : this.#keys.nameOf(key)
    return source === null ? keyRefused(key) : this.postAs(source, request)
  }

  /** Answers a request of a sender that is known already. */
  async postAs(source: string, request: Request): Promise<Response> {
    const type = (request.headers.get('content-type') ?? '').split(';')[0]?.trim().toLowerCase()
    if (!TYPES.has(type ?? '')) {
      const message = `Content-Type ${type} is not understood; application/x-ndjson and application/json are`
      return errorResponse(415, 'unsupported_type', message)
    }
    const sender = this.#intake.sender(source)
    const waitMs = this.#intake.waitMs(sender)
    if (waitMs > 0) {
      const message = `too many pings for this key, retry after ${waitMs} ms`
      return errorResponse(429, 'rate_limited', message, retryAfter(waitMs))
    }
    const refusal = this.#intake.refusal()
    if (refusal) return notTaken(refusal)
    const body = await readBody(request, this.#bodies, this.#clock, this.#intake.options)
    if (!body.ok) return body.response
    try {
      const message = await this.#read(withoutMark(body.bytes), sender)
      const countDuplicates = new URL(request.url).searchParams.get('duplicates') === 'count'
      const outcome = await new Promise<OfferOutcome>((done) => {
        this.#intake.offer(message, sender, done, countDuplicates)
      })
      return answer(message, outcome)
    } finally {
      body.release()
    }
  }

  async #read(bytes: Uint8Array, sender: Sender): Promise<Message> {
    if (bytes.byteLength <= WINDOW_BYTES || firstByte(bytes) === 91) {
      return this.#intake.read(bytes, sender)
    }
    const { pingsPerMessageMax, refusedPerMessageMax } = this.#intake.options
    const refuseAll = (refusal: Refusal): Message =>
      refuseUnread(bytes, refusal, this.#intake.receipt(sender))
    const messages: Message[] = []
    let pings = 0
    let refusedCount = 0
    for (let start = 0; start < bytes.byteLength;) {
      const end = windowEnd(bytes, start)
      const message = this.#intake.read(bytes.subarray(start, end), sender)
      messages.push(message)
      pings += message.pings.length + message.refusedCount
      refusedCount += message.refusedCount
      if (pings > pingsPerMessageMax) return refuseAll(tooMany(pingsPerMessageMax))
      const [reason] = message.reasons
      if (reason?.code.startsWith('too_many')) return refuseAll(reason)
      if (refusedCount > refusedPerMessageMax) {
        return refuseAll(tooManyRefused(refusedPerMessageMax, messages[0]?.deadLetters[0]))
      }
      start = end
      await new Promise<void>((resolve) => this.#clock.soon(resolve))
    }
    return joined(messages, bytes, this.#intake.options.refusedListMax)
  }
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

/** The windows of one body as one message. */
function joined(messages: readonly Message[], bytes: Uint8Array, refusedListMax: number): Message {
  const refused: RefusedPing[] = []
  let index = 0
  for (const message of messages) {
    for (const one of refusedOf(message)) {
      if (refused.length < refusedListMax) refused.push({ ...one, index: index + one.index })
    }
    index += message.pings.length + message.refusedCount
  }
  const refusedCount = messages.reduce((sum, message) => sum + message.refusedCount, 0)
  const texts = messages.flatMap(({ pings, payload }) =>
    pings.length > 0 ? [textOf(payload)] : [],
  )
  return {
    receivedMs: messages[0]?.receivedMs ?? 0,
    batch: true,
    pings: messages.flatMap((message) => message.pings),
    payload: refusedCount === 0 ? bytes : texts.join('\n'),
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

function refusedOf(message: Message): readonly RefusedPing[] {
  const [reason] = message.reasons
  return message.batch || !reason ? message.refused : [{ index: 0, ...reason }]
}

function notTaken({ code, message, retryAfterMs }: NotTaken): Response {
  const text = `${message}, retry after ${retryAfterMs} ms`
  return errorResponse(503, code, text, retryAfter(retryAfterMs))
}

function answer(message: Message, outcome: OfferOutcome): Response {
  if (!outcome.ok) return notTaken(outcome)
  const refused = refusedOf(message)
  const { refusedCount } = message
  const accepted = message.pings.length
  const counts = { accepted, refused, refusedCount }
  if (accepted === 0) {
    const code = message.reasons[0]?.code ?? 'all_refused'
    const text = message.reasons.map((reason) => reason.message).join('; ')
    const error = { code, message: text || countsText(accepted, refusedCount) }
    return Response.json({ error, ...counts }, { status: 400 })
  }
  const { duplicates } = outcome
  return Response.json(duplicates === null ? counts : { ...counts, duplicates })
}
