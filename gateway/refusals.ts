import type { Refusal } from '../actors/model/fact.ts'

/** Nothing was sent. */
export function empty(noun: string): Refusal {
  const expected = `at least one ${noun}`
  const message = `expected ${expected}, received nothing`
  return { code: 'empty', path: '', expected, received: 'nothing', message }
}

/** Bytes that are no text. */
export const NOT_UTF8: Refusal = {
  code: 'invalid_utf8',
  path: '',
  expected: 'UTF-8 text',
  received: 'other bytes',
  message: 'expected UTF-8 text, received other bytes',
}

/** Text that JSON.parse refuses, with its words. */
export function notJson(text: string, why: string): Refusal {
  const received = text.length > 80 ? `${text.slice(0, 80)}…` : text
  const message = `expected JSON, received ${received} (${why})`
  return { code: 'invalid_json', path: '', expected: 'JSON', received, message }
}

/** A table whose first line is none. */
export function noHead(columns: readonly string[]): Refusal {
  const expected = `a first line that names ${columns.join()}`
  const message = `expected ${expected}, received another`
  return { code: 'invalid_csv', path: '', expected, received: 'another', message }
}

/** The refusal of what is larger than it may be. */
export function tooLarge(bytesMax: number, bytes: number, what: string): Refusal {
  const expected = `${what} of at most ${bytesMax} bytes`
  const received = `${bytes} bytes`
  return {
    code: 'too_large',
    path: '',
    expected,
    received,
    message: `expected ${expected}, received ${received}`,
  }
}

/** Nesting that no message needs. */
export function tooDeep(depthMax: number, depth: number): Refusal {
  const expected = `at most ${depthMax} levels of nesting`
  const received = `${depth} levels`
  return {
    code: 'too_deep',
    path: '',
    expected,
    received,
    message: `expected ${expected}, received ${received}`,
  }
}

/** More pings or trips than one message may hold. */
export function tooMany(itemsMax: number, noun: string): Refusal {
  const expected = `at most ${itemsMax} ${noun}s in a message`
  return {
    code: 'too_many',
    path: '',
    expected,
    received: 'more',
    message: `expected ${expected}, received more`,
  }
}

/** So many bad pings or trips that the message is refused as one. */
export function tooManyRefused(
  refusedMax: number,
  noun: string,
  first: Refusal | undefined,
): Refusal {
  const expected = `at most ${refusedMax} refused ${noun}s in a message`
  const message = `expected ${expected}, received more; the first: ${first?.message ?? 'unknown'}`
  return { code: 'too_many_refused', path: '', expected, received: 'more', message }
}
