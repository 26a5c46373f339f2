import type { Clock } from '../../actors/kernel/clock.ts'
import { messageOf, OrreryError } from '../../actors/kernel/errors.ts'
import { parseLossless } from './lossless-json.ts'

/** What a catalog answered, whatever it was. */
export type RestAnswer = Readonly<{ status: number; headers: Headers; text: string }>

/** One question to a catalog. */
export type RestQuestion = Readonly<{
  method: 'GET' | 'POST'
  url: string
  headers?: Readonly<Record<string, string>>
  body?: string
  /** On a connection of its own, so that nothing on the way sends it twice. */
  alone?: boolean
}>

/** A catalog that refuses, is not understood, or is silent; `retriable` when the same call may succeed later. */
export class CatalogError extends OrreryError {
  override readonly name = 'CatalogError'
  constructor(message: string, options: { retriable: boolean; code?: string; cause?: unknown }) {
    super(options.code ?? 'catalog', message, options)
  }
}

/** Asks once; a CatalogError when no whole answer came in time. Authorization is in no message. */
export async function askOnce(
  question: RestQuestion,
  about: Readonly<{ clock: Clock; timeoutMs: number; authorization: string | null }>,
): Promise<RestAnswer> {
  const { method, url, headers = {}, body, alone = false } = question
  const { authorization, timeoutMs } = about
  const controller = new AbortController()
  const { promise: late, reject } = Promise.withResolvers<never>()
  const cancel = about.clock.after(timeoutMs, () => {
    reject(new Error(`no answer within ${timeoutMs} ms`))
    controller.abort()
  })
  const asked = async (): Promise<RestAnswer> => {
    const answer = await fetch(url, {
      method,
      redirect: 'manual',
      keepalive: !alone,
      signal: controller.signal,
      headers: {
        accept: 'application/json',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(authorization === null ? {} : { authorization }),
        ...headers,
      },
      ...(body === undefined ? {} : { body }),
    })
    return { status: answer.status, headers: answer.headers, text: await answer.text() }
  }
  try {
    return await Promise.race([asked(), late])
  } catch (cause) {
    const message = `the catalog did not answer ${method} ${plain(url)}: ${messageOf(cause)}`
    throw new CatalogError(message, { retriable: true, cause })
  } finally {
    cancel()
  }
}

/** The error for an answer that was not wanted, in the catalog's words where it has some. */
export function refusal(
  question: RestQuestion,
  { status, headers, text }: RestAnswer,
): CatalogError {
  const where = `${question.method} ${plain(question.url)}`
  const to = headers.get('location')
  if (status >= 300 && status < 400 && to !== null) {
    const message = `the catalog answered ${where} with ${status}: set its address to what stands behind ${to}`
    return new CatalogError(message, { retriable: false })
  }
  const retriable = status >= 500 || status === 408 || status === 425 || status === 429
  const said = errorOf(text)?.message ?? text.slice(0, 200)
  return new CatalogError(`the catalog answered ${where} with ${status}: ${said}`.trim(), {
    retriable,
  })
}

/** The catalog's own error in an answer; null when it is no answer of an Iceberg catalog. */
export function errorOf(text: string): Readonly<{ message: string; type: string }> | null {
  const { error } = objectOf(text)
  if (typeof error !== 'object' || error === null) return null
  const { message, type } = { message: '', type: '', ...error }
  return { message: String(message), type: String(type) }
}

/** The JSON object that an answer is; an empty one when it is none. */
export function objectOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const value = parseLossless(text)
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch {
    return {}
  }
}

/** The values of an object that are texts; an empty object for anything else. */
export function textsOf(value: unknown): Readonly<Record<string, string>> {
  if (typeof value !== 'object' || value === null) return {}
  const texts = Object.entries(value).filter((entry): entry is [string, string] => {
    return typeof entry[1] === 'string'
  })
  return Object.fromEntries(texts)
}

// An address may hold a password; messages are logged.
function plain(url: string): string {
  return url.replace(/\/\/[^/@]*@/, '//')
}
