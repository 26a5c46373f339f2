import type { Clock } from '../actors/kernel/clock.ts'
import { OrreryError } from '../actors/kernel/errors.ts'
import { IngestError, type IngestPort } from './ingest-client.ts'
import { linesOf, type NumberedLine } from './lines.ts'

export type ReplayOptions = Readonly<{
  /** Lines sent in one body. */
  batchLines: number
  clock: Clock
  /** Called after each batch. */
  onProgress?: (state: ReplayState) => void
}>

/** A line that was refused, for the person who has to mend it. */
export type BadLine = Readonly<{ line: number; reason: string }>

/** Counts of a replay so far; at its end `sent = accepted + refused`. */
export type ReplayState = Readonly<{
  bytesRead: number
  sent: number
  accepted: number
  /** Of the accepted ones; null when the way in does not count them. */
  duplicates: number | null
  refused: number
  /** The first refused lines. */
  badLines: readonly BadLine[]
  /** Bodies sent again because the server was busy or the line was cut. */
  repeated: number
}>

const LINE_BYTES_MAX = 1_048_576
/** Bodies stay well below what a server takes. */
const BATCH_BYTES_MAX = 2 * 1_048_576
const BAD_LINES_MAX = 1_000
const RETRY_FIRST_MS = 100
const RETRY_MS_MAX = 5_000
/** A server that takes nothing for this long is given up. */
const GIVE_UP_MS = 300_000

/** Sends recorded lines of NDJSON, in order, one body at a time; lines that are no pings stop nothing. */
export async function replay(
  chunks: AsyncIterable<Uint8Array>,
  port: IngestPort,
  options: ReplayOptions,
): Promise<ReplayState> {
  const run = new Replay(port, options)
  const counted = run.count(chunks)
  let batch: NumberedLine[] = []
  let bytes = 0
  for await (const line of linesOf(counted, LINE_BYTES_MAX)) {
    if (line.bytes === null) {
      run.refuse(line.number, `longer than ${LINE_BYTES_MAX} bytes; not sent`)
      continue
    }
    batch.push(line)
    bytes += line.bytes.byteLength + 1
    if (batch.length < options.batchLines && bytes < BATCH_BYTES_MAX) continue
    await run.send(batch)
    batch = []
    bytes = 0
  }
  if (batch.length > 0) await run.send(batch)
  return run.state
}

class Replay {
  readonly #port: IngestPort
  readonly #options: ReplayOptions
  readonly #badLines: BadLine[] = []
  #bytesRead = 0
  #sent = 0
  #accepted = 0
  #duplicates: number | null = null
  #refused = 0
  #repeated = 0

  constructor(port: IngestPort, options: ReplayOptions) {
    this.#port = port
    this.#options = options
  }

  get state(): ReplayState {
    return {
      bytesRead: this.#bytesRead,
      sent: this.#sent,
      accepted: this.#accepted,
      duplicates: this.#duplicates,
      refused: this.#refused,
      badLines: this.#badLines,
      repeated: this.#repeated,
    }
  }

  async *count(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      this.#bytesRead += chunk.byteLength
      yield chunk
    }
  }

  refuse(line: number, reason: string): void {
    this.#sent++
    this.#refused++
    if (this.#badLines.length < BAD_LINES_MAX) this.#badLines.push({ line, reason })
  }

  async send(lines: readonly NumberedLine[]): Promise<void> {
    try {
      const answer = await this.#untilTaken(bodyOf(lines))
      if (answer.accepted + answer.refusedCount === lines.length) {
        this.#apply(lines, answer)
        this.#options.onProgress?.(this.state)
        return
      }
      // Refused as one: the parts may fare better, and the bad line gets its number.
      const whole = answer.accepted === 0 && lines.length > 1
      if (!whole) throw new OrreryError('odd_answer', oddAnswer(lines.length, answer))
    } catch (thrown) {
      if (!(thrown instanceof IngestError && thrown.divisible)) throw thrown
      const [only] = lines
      if (only && lines.length === 1) {
        this.refuse(only.number, thrown.message)
        return
      }
    }
    const middle = Math.ceil(lines.length / 2)
    await this.send(lines.slice(0, middle))
    await this.send(lines.slice(middle))
  }

  async #untilTaken(body: Uint8Array<ArrayBuffer>): ReturnType<IngestPort['ingest']> {
    const { clock } = this.#options
    const sinceMs = clock.monotonicMs()
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#port.ingest(body)
      } catch (thrown) {
        const retriable = thrown instanceof OrreryError && thrown.retriable
        // Nothing has ever answered: a wrong address is no reason to wait.
        const neverReached =
          this.#sent === 0 && thrown instanceof IngestError && thrown.code === 'unreachable'
        if (!retriable || neverReached || clock.monotonicMs() - sinceMs > GIVE_UP_MS) throw thrown
        this.#repeated++
        const asked = thrown instanceof IngestError ? thrown.retryAfterMs : null
        const delayMs = asked ?? Math.min(RETRY_MS_MAX, RETRY_FIRST_MS * 2 ** Math.min(attempt, 10))
        await new Promise<void>((resolve) => clock.after(delayMs, resolve))
      }
    }
  }

  #apply(lines: readonly NumberedLine[], answer: Awaited<ReturnType<IngestPort['ingest']>>): void {
    for (const { index, code, message } of answer.refused)
      this.refuse(lines[index]?.number ?? 0, `${code}: ${message}`)
    for (let unnamed = answer.refused.length; unnamed < answer.refusedCount; unnamed++)
      this.refuse(lines[0]?.number ?? 0, 'this line or one of the batch after it, not listed')
    this.#sent += answer.accepted
    this.#accepted += answer.accepted
    if (answer.duplicates !== null) this.#duplicates = (this.#duplicates ?? 0) + answer.duplicates
  }
}

function bodyOf(lines: readonly NumberedLine[]): Uint8Array<ArrayBuffer> {
  const newline = Uint8Array.of(10)
  return Buffer.concat(lines.flatMap((line) => (line.bytes ? [line.bytes, newline] : [])))
}

function oddAnswer(
  count: number,
  answer: Readonly<{ accepted: number; refusedCount: number }>,
): string {
  return (
    `the server counts ${answer.accepted} accepted and ${answer.refusedCount} refused ` +
    `where ${count} lines were sent`
  )
}
