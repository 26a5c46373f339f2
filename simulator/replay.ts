import type { Clock } from '../actors/kernel/clock.ts'
import { OrreryError } from '../actors/kernel/errors.ts'
import { batchesOf } from './batches.ts'
import { type IngestAnswer, IngestError } from './ingest-client.ts'
import type { ReplayRow } from './replay-rows.ts'

export type ReplayOptions = Readonly<{
  /** Rows sent in one body. */
  batchRows: number
  /** How many times faster than it happened; null: as fast as it goes. */
  speed: number | null
  /** Ends after so many rows; null: sends all. */
  rowsMax: number | null
  clock: Clock
  /** Called after each body, when every row of it is on disk or refused. */
  onProgress?: (state: ReplayState) => void
}>

/** Takes one body; what it throws says whether the same body may come again. */
export type SendBody = (ndjson: Uint8Array<ArrayBuffer>) => Promise<IngestAnswer>

/** A line that was refused, for the person who has to mend it. */
export type BadLine = Readonly<{ line: number; reason: string }>

/** Counts of a replay so far; at its end `sent = accepted + refused`. */
export type ReplayState = Readonly<{
  bytesRead: number
  sent: number
  accepted: number
  /** Of the accepted ones; null when the way in does not count them. */
  duplicates: number | null
  /** Of the accepted ones, those behind the watermark; null when the way in does not count them. */
  late: number | null
  refused: number
  /** The first refused lines. */
  badLines: readonly BadLine[]
  /** Bodies sent again because the server was busy or the line was cut. */
  repeated: number
}>

const BAD_LINES_MAX = 1_000
const RETRY_FIRST_MS = 100
const RETRY_MS_MAX = 5_000
/** A server that takes nothing for this long is given up. */
const GIVE_UP_MS = 300_000

/**
 * Sends recorded rows, in order, one body at a time; rows that cannot be used stop nothing. The next body is made
 * while one is on its way.
 */
export async function replay(
  pieces: AsyncIterable<readonly ReplayRow[]>,
  send: SendBody,
  options: ReplayOptions,
): Promise<ReplayState> {
  const run = new Replay(send, options)
  const batches = batchesOf(pieces, options)
  let next = await batches.next()
  while (!next.done) {
    const sending = run.take(next.value)
    const coming = batches.next()
    // Waited for below; when the sending fails first, nobody asks for it any more.
    coming.catch(() => {})
    await sending
    next = await coming
  }
  return run.state
}

/** Calls until it is taken: a server that is busy, away or has failed is asked again, the same thing each time. */
export async function untilTaken<T>(
  call: () => Promise<T>,
  options: Readonly<{ clock: Clock; answered: boolean; onRepeat: () => void }>,
): Promise<T> {
  const { clock } = options
  const sinceMs = clock.monotonicMs()
  for (let attempt = 0; ; attempt++) {
    try {
      return await call()
    } catch (thrown) {
      const retriable = thrown instanceof OrreryError && thrown.retriable
      // Nothing has ever answered: a wrong address is no reason to wait.
      const neverReached =
        !options.answered && thrown instanceof IngestError && thrown.code === 'unreachable'
      if (!retriable || neverReached || clock.monotonicMs() - sinceMs > GIVE_UP_MS) throw thrown
      options.onRepeat()
      const asked = thrown instanceof IngestError ? thrown.retryAfterMs : null
      const delayMs = asked ?? Math.min(RETRY_MS_MAX, RETRY_FIRST_MS * 2 ** Math.min(attempt, 10))
      await new Promise<void>((resolve) => clock.after(delayMs, resolve))
    }
  }
}

class Replay {
  readonly #send: SendBody
  readonly #options: ReplayOptions
  readonly #badLines: BadLine[] = []
  #bytesRead = 0
  #sent = 0
  #accepted = 0
  #duplicates: number | null = null
  #late: number | null = null
  #refused = 0
  #repeated = 0
  #answered = false

  constructor(send: SendBody, options: ReplayOptions) {
    this.#send = send
    this.#options = options
  }

  get state(): ReplayState {
    return {
      bytesRead: this.#bytesRead,
      sent: this.#sent,
      accepted: this.#accepted,
      duplicates: this.#duplicates,
      late: this.#late,
      refused: this.#refused,
      badLines: this.#badLines,
      repeated: this.#repeated,
    }
  }

  /** Settles when each row of the batch is on disk or refused. */
  async take(rows: readonly ReplayRow[]): Promise<void> {
    for (const row of rows) {
      this.#bytesRead += row.bytes
      if (row.json === null) this.refuse(row.line, row.why ?? 'not sent')
    }
    const toSend = rows.filter((row) => row.json !== null)
    if (toSend.length > 0) await this.send(toSend)
    this.#options.onProgress?.(this.state)
  }

  refuse(line: number, reason: string): void {
    this.#sent++
    this.#refused++
    if (this.#badLines.length < BAD_LINES_MAX) this.#badLines.push({ line, reason })
  }

  async send(lines: readonly ReplayRow[]): Promise<void> {
    try {
      const answer = await this.#untilTaken(bodyOf(lines))
      if (answer.accepted + answer.refusedCount === lines.length) {
        this.#apply(lines, answer)
        return
      }
      // Refused as one: the parts may fare better, and the bad line gets its number.
      const whole = answer.accepted === 0 && lines.length > 1
      if (!whole) throw new OrreryError('odd_answer', oddAnswer(lines.length, answer))
    } catch (thrown) {
      if (!(thrown instanceof IngestError && thrown.divisible)) throw thrown
      const [only] = lines
      if (only && lines.length === 1) {
        this.refuse(only.line, only.why ?? thrown.message)
        return
      }
    }
    const middle = Math.ceil(lines.length / 2)
    await this.send(lines.slice(0, middle))
    await this.send(lines.slice(middle))
  }

  #untilTaken(body: Uint8Array<ArrayBuffer>): Promise<IngestAnswer> {
    return untilTaken(() => this.#send(body), {
      clock: this.#options.clock,
      answered: this.#answered,
      onRepeat: () => void this.#repeated++,
    })
  }

  #apply(rows: readonly ReplayRow[], answer: IngestAnswer): void {
    const named = new Set(answer.refused.map(({ index }) => index))
    for (const { index, code, message } of answer.refused) {
      const row = rows[index]
      this.refuse(row?.line ?? 0, row?.why ?? `${code}: ${message}`)
    }
    // An answer lists only so many; those that were known to be wrong are named all the same.
    const known = rows.filter(({ why }, index) => why !== null && !named.has(index))
    for (let unnamed = answer.refused.length; unnamed < answer.refusedCount; unnamed++) {
      const row = known[unnamed - answer.refused.length]
      const why = row?.why ?? 'this line or one of the batch after it, not listed'
      this.refuse((row ?? rows[0])?.line ?? 0, why)
    }
    this.#answered = true
    this.#sent += answer.accepted
    this.#accepted += answer.accepted
    if (answer.duplicates !== null) this.#duplicates = (this.#duplicates ?? 0) + answer.duplicates
    if (answer.late !== null) this.#late = (this.#late ?? 0) + answer.late
  }
}

function bodyOf(rows: readonly ReplayRow[]): Uint8Array<ArrayBuffer> {
  if (rows.every(({ json }) => typeof json === 'string'))
    return Buffer.from(rows.map(({ json }) => `${json}\n`).join(''))
  const newline = Uint8Array.of(10)
  return Buffer.concat(
    rows.flatMap(({ json }) => [
      typeof json === 'string' ? Buffer.from(json) : (json ?? []),
      newline,
    ]) as Uint8Array[],
  )
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
