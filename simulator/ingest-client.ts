import { messageOf, OrreryError } from '../actors/kernel/errors.ts'
import type { ControlSocket } from './control-socket.ts'
import { asRecord, firstNumber, parseJson, type RefusedPing, refusedPings } from './wire.ts'

/** What became of a body of pings or trips: `accepted + refusedCount` is how many it held. */
export type IngestAnswer = Readonly<{
  accepted: number
  /** The first of them; an answer may list fewer than it counts. */
  refused: readonly RefusedPing[]
  refusedCount: number
  /** Accepted ones that had been there before; null when the way in does not count them. */
  duplicates: number | null
  /** Accepted trips that came behind the watermark of their window; null when the way in does not count them. */
  late: number | null
}>

/** A way in for NDJSON: over HTTP, over the control socket, or straight into this process's own journal. */
export interface IngestPort {
  /** Settles when the pings are on disk. A retriable OrreryError means that the same body may come again. */
  ingest(ndjson: Uint8Array<ArrayBuffer>): Promise<IngestAnswer>
  /** The same for trips. */
  ingestTrips(ndjson: Uint8Array<ArrayBuffer>): Promise<IngestAnswer>
  /** Makes every open window final, as the end of a recording does. Settles when that is on disk. */
  flushTrips(): Promise<void>
}

/** A body that was not taken. */
export class IngestError extends OrreryError {
  override readonly name = 'IngestError'
  /** How long to wait before the same body, if the answer says so. */
  readonly retryAfterMs: number | null
  /** True when the body as a whole cannot be read, so that its parts may fare better. */
  readonly divisible: boolean

  constructor(
    code: string,
    message: string,
    options: { retriable?: boolean; retryAfterMs?: number; divisible?: boolean } = {},
  ) {
    super(code, message, { retriable: options.retriable ?? false })
    this.retryAfterMs = options.retryAfterMs ?? null
    this.divisible = options.divisible ?? false
  }
}

/** Posts to a path of the server, `/ingest…`. */
type Post = (path: string, body: Uint8Array<ArrayBuffer> | null) => Promise<Response>

/** Pings and trips go to a server somewhere, with a key. */
export function ingestOverHttp(url: URL, key: string): IngestPort {
  const prefix = url.pathname.replace(/\/$/, '')
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/x-ndjson' }
  return portOf(url.origin, (path, body) =>
    fetch(new URL(prefix + path, url), { method: 'POST', headers, body }),
  )
}

/** Pings and trips go to the server that runs on this machine's data directory; no key is needed. */
export function ingestOverControl(control: ControlSocket): IngestPort {
  const headers = { 'content-type': 'application/x-ndjson' }
  return portOf('the running server', (path, body) =>
    control.fetch(path, { method: 'POST', headers, body }),
  )
}

function portOf(name: string, post: Post): IngestPort {
  const ask = async (path: string, body: Uint8Array<ArrayBuffer> | null) => {
    try {
      const response = await post(path, body)
      return { response, text: await response.text() }
    } catch (cause) {
      throw new IngestError('unreachable', `${name} cannot be reached: ${messageOf(cause)}`, {
        retriable: true,
      })
    }
  }
  const ingest = async (path: string, body: Uint8Array<ArrayBuffer>): Promise<IngestAnswer> => {
    const { response, text } = await ask(`${path}?duplicates=count`, body)
    return readAnswer(name, response, text)
  }
  return {
    ingest: (ndjson) => ingest('/ingest', ndjson),
    ingestTrips: (ndjson) => ingest('/ingest/trips', ndjson),
    async flushTrips() {
      const { response, text } = await ask('/ingest/trips/flush', null)
      if (!response.ok) throw refusal(name, response, text)
    },
  }
}

function readAnswer(name: string, response: Response, text: string): IngestAnswer {
  const answer = asRecord(parseJson(text))
  const accepted = firstNumber(answer?.accepted)
  const refusedCount = firstNumber(answer?.refusedCount)
  if (answer && accepted !== null && refusedCount !== null && response.status < 500) {
    const refused = refusedPings(answer.refused)
    const duplicates = firstNumber(answer.duplicates)
    return { accepted, refused, refusedCount, duplicates, late: firstNumber(answer.late) }
  }
  throw refusal(name, response, text)
}

/** An answer that is no count: why, and whether the same body may come again. */
function refusal(name: string, response: Response, text: string): IngestError {
  const { status } = response
  const error = asRecord(asRecord(parseJson(text))?.error)
  const why = String(error?.message ?? text.slice(0, 200))
  const code = String(error?.code ?? `http_${status}`)
  const message = `${name} answered HTTP ${status}: ${why}`
  if (status === 429 || status === 503)
    return new IngestError(code, message, {
      retriable: true,
      retryAfterMs: retryAfterMs(response.headers.get('retry-after')),
    })
  return new IngestError(code, message, {
    // 5xx: a fault that may pass; the outcome is unknown, and a second writing does no harm.
    retriable: status >= 500 || status === 408,
    divisible: status === 400 || status === 413,
  })
}

/** `Retry-After` as seconds or as a date; a second when it is neither. */
function retryAfterMs(header: string | null): number {
  const seconds = Number(header ?? Number.NaN)
  if (Number.isFinite(seconds)) return Math.max(0, seconds * 1_000)
  const date = Date.parse(header ?? '')
  return Number.isNaN(date) ? 1_000 : Math.max(0, date - Date.now())
}
