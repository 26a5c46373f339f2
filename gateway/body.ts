import { promisify } from 'node:util'
import { gunzip, zstdDecompress } from 'node:zlib'

import type { Clock } from '../actors/kernel/clock.ts'
import { messageOf } from '../actors/kernel/errors.ts'
import { errorResponse, retryAfter } from './http-error.ts'
import type { ByteBudget } from './limits.ts'
import type { GatewayOptions } from './options.ts'

/** A body in memory, or the answer that says why not. `release` gives its bytes back to the budget. */
export type ReadBody =
  | Readonly<{ ok: true; bytes: Uint8Array; release: () => void }>
  | Readonly<{ ok: false; response: Response }>

type Inflate = (bytes: Uint8Array, options: { maxOutputLength: number }) => Promise<Uint8Array>

const INFLATERS: Readonly<Record<string, Inflate>> = {
  gzip: promisify(gunzip),
  zstd: promisify(zstdDecompress),
}

const RETRY_BUDGET_MS = 1_000

/** Reads a request's body within the limits of one body, of all bodies at once, and of time. */
export async function readBody(
  request: Request,
  budget: ByteBudget,
  clock: Clock,
  options: GatewayOptions,
): Promise<ReadBody> {
  const { bodyBytesMax } = options
  const encoding = (request.headers.get('content-encoding') ?? 'identity').toLowerCase()
  const inflate = INFLATERS[encoding]
  if (!inflate && encoding !== 'identity') {
    const message = `Content-Encoding ${encoding} is not understood; gzip and zstd are`
    return refuse(errorResponse(415, 'unsupported_encoding', message))
  }
  const length = Number(request.headers.get('content-length') ?? Number.NaN)
  if (length > bodyBytesMax) return refuse(bodyTooLarge(bodyBytesMax))
  // A compressed body, or one of unknown length, may become as large as a body may be.
  const reserved = inflate || Number.isNaN(length) ? bodyBytesMax : length
  if (!budget.reserve(reserved)) {
    const message = 'too many bodies are being read at once'
    return refuse(errorResponse(503, 'busy', message, retryAfter(RETRY_BUDGET_MS)))
  }
  const read = await readWithin(request, clock, options, inflate)
  if (!read.ok) budget.release(reserved)
  return read.ok ? { ...read, release: () => budget.release(reserved) } : read
}

type Read = Readonly<{ ok: true; bytes: Uint8Array }> | Readonly<{ ok: false; response: Response }>

async function readWithin(
  request: Request,
  clock: Clock,
  options: GatewayOptions,
  inflate: Inflate | undefined,
): Promise<Read> {
  const { bodyBytesMax, stallMsMax } = options
  const late = Promise.withResolvers<'late'>()
  const cancel = clock.after(stallMsMax, () => late.resolve('late'))
  try {
    const received = await Promise.race([receive(request, bodyBytesMax), late.promise])
    if (received === 'late') {
      const message = `the body was not complete after ${stallMsMax} ms`
      return refuse(errorResponse(408, 'too_slow', message, { connection: 'close' }))
    }
    if (received === null) return refuse(bodyTooLarge(bodyBytesMax))
    if (!inflate) return { ok: true, bytes: received }
    return { ok: true, bytes: await inflate(received, { maxOutputLength: bodyBytesMax }) }
  } catch (cause) {
    if (codeOf(cause) === 'ERR_BUFFER_TOO_LARGE') return refuse(bodyTooLarge(bodyBytesMax))
    const message = `the body cannot be read: ${messageOf(cause)}`
    return refuse(errorResponse(400, 'unreadable_body', message))
  } finally {
    cancel()
  }
}

/** All bytes of the body, or null when there are more than allowed. */
async function receive(request: Request, bytesMax: number): Promise<Uint8Array | null> {
  if (request.headers.has('content-length')) {
    const bytes = await request.bytes()
    return bytes.byteLength > bytesMax ? null : bytes
  }
  if (!request.body) return new Uint8Array()
  const chunks: Uint8Array[] = []
  let length = 0
  const reader: ReadableStreamDefaultReader<Uint8Array> = request.body.getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return Buffer.concat(chunks)
    length += value.byteLength
    if (length > bytesMax) {
      await reader.cancel()
      return null
    }
    chunks.push(value)
  }
}

function bodyTooLarge(bytesMax: number): Response {
  return errorResponse(413, 'too_large', `the body is larger than ${bytesMax} bytes`)
}

function refuse(response: Response): Readonly<{ ok: false; response: Response }> {
  return { ok: false, response }
}

function codeOf(thrown: unknown): unknown {
  return typeof thrown === 'object' && thrown !== null && 'code' in thrown ? thrown.code : undefined
}
