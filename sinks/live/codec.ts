import { OrreryError } from '../../actors/kernel/errors.ts'

/** Shorter texts gain nothing by being compressed. */
const COMPRESS_CHARS_MIN = 400
/** Says how the rest is written: a process of another version must not take it for something else. */
const PLAIN = '1:'
const ZSTD = '1z'

/** A delta or part as text: compressed, and in base64 because answers of Redis are read as UTF-8. */
export function encode(value: object): string {
  const text = JSON.stringify(value)
  if (text.length < COMPRESS_CHARS_MIN) return PLAIN + text
  return ZSTD + Bun.zstdCompressSync(text, { level: 1 }).toString('base64')
}

/** As `encode`, beside the event loop: for the many large parts of a snapshot. */
export async function encodeLarge(value: object): Promise<string> {
  const compressed = await Bun.zstdCompress(JSON.stringify(value), { level: 1 })
  return ZSTD + compressed.toString('base64')
}

/** What `encode` was given. Throws OrreryError for what no Orrery of this version has written. */
export function decode<Value extends object>(text: string): Value {
  try {
    return parsed(plainOf(text))
  } catch (cause) {
    throw new OrreryError('live_format', 'redis holds what is no delta of this version', { cause })
  }
}

function plainOf(text: string): string {
  const how = text.slice(0, 2)
  if (how === PLAIN) return text.slice(2)
  if (how !== ZSTD) throw new TypeError(`written as '${how}'`)
  return Bun.zstdDecompressSync(Buffer.from(text.slice(2), 'base64')).toString()
}

// Written by `encode` of this version, behind the fence: not looked at field by field.
function parsed<Value extends object>(text: string): Value {
  const value: unknown = JSON.parse(text)
  if (typeof value !== 'object' || value === null) throw new TypeError('no object')
  return value as Value
}
