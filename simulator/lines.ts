const LINE_FEED = 10
const CARRIAGE_RETURN = 13

/** A line of a file with its number, from 1; `bytes` is null when it is longer than allowed. */
export type NumberedLine = Readonly<{ number: number; bytes: Uint8Array | null }>

/**
 * Cuts a stream of bytes into lines. Empty lines are left out but counted; a line that is too long is
 * named and never held in memory whole.
 */
export async function* linesOf(
  chunks: AsyncIterable<Uint8Array>,
  lineBytesMax: number,
): AsyncGenerator<NumberedLine> {
  let number = 1
  let rest: Uint8Array[] = []
  let restBytes = 0
  const take = (): NumberedLine | null => {
    const bytes = restBytes > lineBytesMax ? null : trimmed(Buffer.concat(rest))
    rest = []
    restBytes = 0
    const line = { number: number++, bytes }
    return bytes?.byteLength === 0 ? null : line
  }
  for await (const chunk of chunks) {
    let from = 0
    for (;;) {
      const at = chunk.indexOf(LINE_FEED, from)
      const piece = chunk.subarray(from, at < 0 ? chunk.byteLength : at)
      restBytes += piece.byteLength
      if (restBytes <= lineBytesMax) rest.push(piece)
      else rest = []
      if (at < 0) break
      from = at + 1
      const line = take()
      if (line) yield line
    }
  }
  if (restBytes === 0) return
  const last = take()
  if (last) yield last
}

function trimmed(bytes: Uint8Array): Uint8Array {
  let end = bytes.byteLength
  const blank = (code: number | undefined): boolean =>
    code === CARRIAGE_RETURN || code === 32 || code === 9
  while (end > 0 && blank(bytes[end - 1])) end--
  let start = 0
  while (start < end && blank(bytes[start])) start++
  return bytes.subarray(start, end)
}
