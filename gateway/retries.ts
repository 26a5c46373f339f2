import { OrreryError } from '../actors/kernel/errors.ts'
import {
  type DeadLetterFilter,
  deadLetterId,
  type StoredDeadLetter,
} from '../actors/model/dead-letter.ts'
import { type FactName, type Retry, TRIPS_PARTITION_FIRST } from '../actors/model/fact.ts'
import { type ItemKind, PINGS, TRIPS } from './item-kind.ts'
import { type AnyMessage, readMessage } from './message.ts'
import type { GatewayOptions } from './options.ts'
import type { GatewayPorts, Ingest, NotTaken, OfferOutcome } from './ports.ts'

/** Letters that one request retries. */
export const RETRY_LETTERS_MAX = 1_000
/** Letters that are read and offered together: up to 3 MB, and one sync of the disk. */
const TOGETHER = 50
/** Refused letters that an answer names. */
const REFUSED_LISTED_MAX = 100
/** Requests that may wait for the one that is running. */
const WAITING_MAX = 8
const QUERYABLE_MS_MAX = 5_000
/** Added to the name of who sent it first, so that a row tells which way it came. */
const SUFFIX = '/retry'
const SOURCE_BYTES_MAX = 255

/** What came of one letter; `again` when it had been accepted before and nothing was done. */
export type Retried = Readonly<{
  id: string
  outcome: Retry['outcome']
  again: boolean
  /** Pings, or trips, accepted. */
  pings: number
  refused: number
  code: string
  path: string
  message: string
}>

type RetriedOne = Readonly<{ retried: Retried; outcome: OfferOutcome }>

/** Why a letter was not read again. */
export type NotRetried =
  Readonly<{ why: 'unknown' | 'cut' }> | Readonly<{ why: 'not taken'; outcome: NotTaken }>

/** What came of a page of letters. */
export type RetriedPage = Readonly<{
  retried: number
  accepted: number
  partial: number
  refused: number
  /** Pings and trips accepted. */
  pings: number
  /** The first of the letters that were refused again, and why. */
  refusals: readonly Pick<Retried, 'id' | 'code' | 'path' | 'message'>[]
  /** Letters of the choice that are left to read after these. */
  remaining: number
  /** Letters of the choice that cannot be read again, because only a part of them was kept. */
  cut: number
  /** Where the next page begins; null when nothing is left. */
  next: string | null
  /** Why it ended before its end, or null. */
  stopped: NotTaken | null
}>

/** What it needs of the world. */
export type RetryPorts = Pick<
  GatewayPorts,
  'ingest' | 'trips' | 'reader' | 'process' | 'clock' | 'telemetry'
>

/**
 * Sends dead letters through the reading and checking of any message again. One request at a time,
 * each after the stores have what came before it: no letter is accepted twice.
 */
export class DeadLetterRetries {
  readonly #ports: RetryPorts
  readonly #options: GatewayOptions
  #running: Promise<unknown> = Promise.resolve()
  #waiting = 0

  constructor(ports: RetryPorts, options: GatewayOptions) {
    this.#ports = ports
    this.#options = options
  }

  /** Retries one letter. */
  one(name: FactName): Promise<Retried | NotRetried> {
    return this.#alone(async () => {
      const letter = await this.#ports.reader.deadLetter(name)
      if (!letter) return { why: 'unknown' }
      if (letter.done) return acceptedBefore(letter, letter.done)
      if (letter.truncated) return { why: 'cut' }
      const { retried, outcome } = await this.#retry(letter)
      return outcome.ok ? retried : { why: 'not taken', outcome }
    })
  }

  /** Retries the letters of a choice that were not accepted yet, from one on, oldest first. */
  page(
    choice: DeadLetterFilter & Readonly<{ limit: number; after?: FactName }>,
  ): Promise<RetriedPage> {
    return this.#alone(async () => {
      const { limit, after: first, ...filter } = choice
      const tally = new Tally()
      let after = first
      while (tally.retried < limit && !tally.stopped) {
        const letters = await this.#ports.reader.openDeadLetters({
          ...filter,
          ...(after && { after }),
          limit: Math.min(TOGETHER, limit - tally.retried),
        })
        const results = await Promise.all(letters.map((letter) => this.#retry(letter)))
        for (const [index, result] of results.entries()) {
          tally.add(result)
          // What came after one that was not taken is met again, and then known as accepted.
          if (!tally.stopped) after = letters[index]?.name
        }
        if (letters.length === 0) break
      }
      const { open, cut } = await this.#ports.reader.countOpenDeadLetters(filter)
      const left = after ? { ...filter, after } : filter
      const remaining = after ? (await this.#ports.reader.countOpenDeadLetters(left)).open : open
      return {
        ...tally.sums(),
        cut,
        remaining,
        next: remaining > 0 && after ? deadLetterId(after) : null,
      }
    })
  }

  /** One after the other: a letter that is on its way is not yet known as accepted. */
  async #alone<T>(work: () => Promise<T>): Promise<T> {
    if (this.#waiting >= WAITING_MAX) throw busy('too many retries are waiting')
    this.#waiting++
    const before = this.#running
    const done = Promise.withResolvers<void>()
    this.#running = done.promise
    try {
      await before
      if (!(await this.#ports.process.queryable(QUERYABLE_MS_MAX))) {
        throw busy('the stores are behind: what was retried before is not known yet')
      }
      return await work()
    } finally {
      this.#waiting--
      done.resolve()
    }
  }

  /** A letter goes to the way in that it came from: its name says which. */
  #retry(letter: StoredDeadLetter): Promise<RetriedOne> {
    const { ingest, trips } = this.#ports
    return letter.name.partition < TRIPS_PARTITION_FIRST
      ? this.#retryAt(letter, PINGS, ingest)
      : this.#retryAt(letter, TRIPS, trips)
  }

  async #retryAt<Item>(
    letter: StoredDeadLetter,
    kind: ItemKind<Item>,
    ingest: Ingest<Item>,
  ): Promise<RetriedOne> {
    const receivedMs = this.#ports.clock.nowMs()
    const source = retrySource(letter.source)
    const message = readMessage(letter.raw, { kind, receivedMs, source, limits: this.#options })
    const retry = retryOf(letter, message)
    const { items: messages, payload } = message
    // Refused as a whole it stays the letter that it is; what is refused of a part becomes a letter of its own.
    const deadLetters = retry.outcome === 'partial' ? message.deadLetters : []
    const base = { source, receivedMs, payload, messages, deadLetters }
    const offer = { ...base, countDuplicates: false, retry }
    const outcome = await new Promise<OfferOutcome>((resolve) => ingest.offer(offer, resolve))
    if (outcome.ok) this.#count(retry.outcome)
    const { letter: name, ...rest } = retry
    return { retried: { id: deadLetterId(name), again: false, ...rest }, outcome }
  }

  #count(outcome: Retry['outcome']): void {
    this.#ports.telemetry
      .counter('orrery_dead_letters_retried_total', 'Dead letters read again, by what came of it', {
        outcome,
      })
      .add()
  }
}

function busy(message: string): OrreryError {
  return new OrreryError('busy', message, { retriable: true })
}

function acceptedBefore(
  { name }: StoredDeadLetter,
  { outcome, atMs }: Readonly<{ outcome: Retry['outcome']; atMs: number }>,
): Retried {
  const message = `retried already, at ${new Date(atMs).toISOString()}: nothing was done`
  return {
    id: deadLetterId(name),
    outcome,
    again: true,
    pings: 0,
    refused: 0,
    code: '',
    path: '',
    message,
  }
}

function retryOf({ name }: StoredDeadLetter, message: AnyMessage): Retry {
  const { refusedCount } = message
  const pings = message.items.length
  const [first] = message.deadLetters
  return {
    letter: name,
    outcome: pings === 0 ? 'refused' : refusedCount > 0 ? 'partial' : 'accepted',
    pings,
    refused: refusedCount,
    code: first?.code ?? '',
    path: first?.path ?? '',
    message: first?.message ?? '',
  }
}

/** A letter that came of a retry keeps its name, and so does one whose name has no room. */
function retrySource(source: string): string {
  if (source.endsWith(SUFFIX)) return source
  const named = `${source}${SUFFIX}`
  return Buffer.byteLength(named) > SOURCE_BYTES_MAX ? source : named
}

class Tally {
  retried = 0
  stopped: NotTaken | null = null
  readonly #by: Record<Retry['outcome'], number> = { accepted: 0, partial: 0, refused: 0 }
  readonly #refusals: RetriedPage['refusals'][number][] = []
  #pings = 0

  add({ retried, outcome }: RetriedOne): void {
    if (!outcome.ok) {
      this.stopped ??= outcome
      return
    }
    this.retried++
    this.#by[retried.outcome]++
    this.#pings += retried.pings
    if (retried.outcome !== 'refused' || this.#refusals.length >= REFUSED_LISTED_MAX) return
    const { id, code, path, message } = retried
    this.#refusals.push({ id, code, path, message })
  }

  sums(): Omit<RetriedPage, 'remaining' | 'cut' | 'next'> {
    const { retried, stopped } = this
    return { retried, ...this.#by, pings: this.#pings, refusals: this.#refusals, stopped }
  }
}
