import { isUtf8 } from 'node:buffer'

import type { Refusal } from '../actors/model/fact.ts'
import type { Span } from './json-shape.ts'
import { NOT_UTF8 } from './refusals.ts'

/** A message that can be cut into spans of `view`, whatever it was written in. */
export interface Pieces {
  /** One character for each place of a span. */
  readonly view: string
  /** The span as text, or why it is none. */
  text(span: Span): string | Refusal
  /** The span's bytes as received, cut at a limit. */
  raw(span: Span, bytesMax: number): Readonly<{ raw: Uint8Array; truncated: boolean }>
}

/** Pieces of a text. */
export function textAsPieces(text: string): Pieces {
  return {
    view: text,
    text: (span) => text.slice(span.start, span.end),
    raw(span, bytesMax) {
      // A character takes a byte or more: cutting it first keeps a huge text from being encoded whole.
      const bytes = Buffer.from(text.slice(span.start, Math.min(span.end, span.start + bytesMax)))
      const truncated = bytes.byteLength > bytesMax || span.end - span.start > bytesMax
      return { raw: bytes.subarray(0, bytesMax), truncated }
    },
  }
}

/**
 * Pieces of bytes that are not all UTF-8. Read as Latin-1 every byte is one character, and the
 * brackets, quotes and line breaks of JSON stay themselves, so that only the bad pieces are refused.
 */
export function bytesAsPieces(bytes: Uint8Array): Pieces {
  const own = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return {
    view: own.toString('latin1'),
    text(span) {
      const piece = own.subarray(span.start, span.end)
      return isUtf8(piece) ? piece.toString() : NOT_UTF8
    },
    raw: (span, bytesMax) => cutBytes(own.subarray(span.start, span.end), bytesMax),
  }
}

/** A copy of the first bytes: what is kept must not hold on to the whole. */
export function cutBytes(bytes: Uint8Array, bytesMax: number): ReturnType<Pieces['raw']> {
  return {
    raw: Uint8Array.from(bytes.subarray(0, bytesMax)),
    truncated: bytes.byteLength > bytesMax,
  }
}
