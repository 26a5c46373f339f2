import type { FrameFact } from './fact.ts'

const decoder = new TextDecoder()

/** The objects of a frame: one, an array of them, or one a line; null when they are not so many. */
export function frameValues(
  payload: Uint8Array | string,
  count: number,
): readonly unknown[] | null {
  const isList = typeof payload === 'string' ? /^\s*\[/.test(payload) : firstByte(payload) === 91
  const values: unknown[] = isList
    ? (JSON.parse(textOf(payload)) as unknown[])
    : count === 1
      ? [JSON.parse(textOf(payload))]
      : Bun.JSONL.parse(payload)
  return values.length === count ? values : null
}

/** Values of frames that were asked for: a frame of which every ping is asked for is parsed once. */
const parsed = new WeakMap<FrameFact, readonly unknown[]>()

/** One message of a frame as JSON, with every field that its sender gave it; null when the frame does not hold it. */
export function messageText(frame: FrameFact, index: number): string | null {
  try {
    const values = parsed.get(frame) ?? frameValues(frame.payload, frame.count)
    if (!values) return null
    parsed.set(frame, values)
    return JSON.stringify(values[index]) ?? null
  } catch {
    return null
  }
}

function textOf(payload: Uint8Array | string): string {
  return typeof payload === 'string' ? payload : decoder.decode(payload)
}

function firstByte(payload: Uint8Array): number | undefined {
  return payload.find((byte) => byte > 32)
}
