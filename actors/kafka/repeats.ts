import { OrreryError } from '../kernel/errors.ts'
import type { SenderStamp } from './stamp.ts'

/** Offsets from the first to the last, both included, that held nothing but repeats. */
type Span = [first: number, last: number]

type Sender = { sequence: number; kafkaOffset: number }

type Note = Readonly<{
  through: number
  senders: readonly (readonly [string, number, number])[]
  spans: readonly Readonly<Span>[]
}>

/** Repeated stretches remembered until every store is past them. */
const SPANS_MAX = 1_000

/**
 * Finds records of a partition that were sent again (SPEC.md D2). A sender's first tries come in the order of their
 * sequence, so whatever is not above its highest is a repeat. What it said of offsets that a restart reads again is
 * remembered, not reckoned anew: by then the sequences are further on.
 */
export class Repeats {
  readonly #sendersMax: number
  readonly #senders = new Map<string, Sender>()
  readonly #spans: Span[]
  /** Everything up to here is decided. */
  #through: number

  /** `note` is what `note()` gave, or empty for the log's beginning. */
  constructor(note = '', sendersMax = 1_000) {
    const { through, senders, spans } = note === '' ? NOTHING : parsed(note)
    this.#sendersMax = sendersMax
    this.#through = through
    this.#spans = spans.map(([first, last]) => [first, last])
    for (const [sender, sequence, kafkaOffset] of senders) {
      this.#senders.set(sender, { sequence, kafkaOffset })
    }
  }

  /** The last Kafka offset that was looked at; −1 for none. */
  get through(): number {
    return this.#through
  }

  /** Too many repeats are remembered: read on after a `forget`. */
  get full(): boolean {
    return this.#spans.length >= SPANS_MAX
  }

  /** Is this record one that its sender had written before? To be asked in order of offsets. */
  isRepeat(kafkaOffset: number, { sender, sequence }: SenderStamp): boolean {
    if (kafkaOffset <= this.#through) return this.#isWithinSpan(kafkaOffset)
    this.#through = kafkaOffset
    const known = this.#senders.get(sender)
    if (!known) {
      this.#add(sender, { sequence, kafkaOffset })
      return false
    }
    known.kafkaOffset = kafkaOffset
    if (sequence > known.sequence) {
      known.sequence = sequence
      return false
    }
    const newest = this.#spans.at(-1)
    if (newest && newest[1] === kafkaOffset - 1) newest[1] = kafkaOffset
    else this.#spans.push([kafkaOffset, kafkaOffset])
    return true
  }

  /** No restart begins below this Kafka offset any more. */
  forget(below: number): void {
    let passed = 0
    while ((this.#spans[passed]?.[1] ?? Infinity) < below) passed++
    this.#spans.splice(0, passed)
  }

  /** All of it as text without spaces: right for a restart at any offset that was not forgotten. */
  note(): string {
    const senders = [...this.#senders].map(
      ([sender, { sequence, kafkaOffset }]) => [sender, sequence, kafkaOffset] as const,
    )
    const note: Note = { through: this.#through, senders, spans: this.#spans }
    return Buffer.from(JSON.stringify(note)).toString('base64')
  }

  #add(name: string, added: Sender): void {
    if (this.#senders.size >= this.#sendersMax) {
      let oldest = ''
      let oldestOffset = Infinity
      for (const [sender, { kafkaOffset }] of this.#senders) {
        if (kafkaOffset >= oldestOffset) continue
        oldest = sender
        oldestOffset = kafkaOffset
      }
      this.#senders.delete(oldest)
    }
    this.#senders.set(name, added)
  }

  #isWithinSpan(kafkaOffset: number): boolean {
    let low = 0
    let high = this.#spans.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#spans[middle]?.[1] ?? Infinity) < kafkaOffset) low = middle + 1
      else high = middle
    }
    return (this.#spans[low]?.[0] ?? Infinity) <= kafkaOffset
  }
}

const NOTHING: Note = { through: -1, senders: [], spans: [] }

function parsed(note: string): Note {
  try {
    return JSON.parse(Buffer.from(note, 'base64').toString()) as Note
  } catch (cause) {
    throw new OrreryError('note_corrupt', 'what was noted of repeats cannot be read', { cause })
  }
}
