import type { Delivery } from './delivery.ts'
import { OrreryError } from './errors.ts'
import type { Inlet } from './intake.ts'

/** The part of an inlet that a stream waits for. */
type Actors<Message> = Inlet<Message> & Readonly<{ handled(offset: number): Promise<void> }>

/** What stands before the actors, and what a checkpoint must note of it. */
export type NotedInlet<Message> = Readonly<{
  inlet: Actors<Message>
  note?: (offset: number) => string
}>

/** Edge gateways' folders that one partition remembers; each is 100 bytes of every checkpoint. */
const SENDERS_MAX = 1_000
const MARK = '~'

/**
 * How far each edge gateway's messages are in the journal, kept by the journal itself: every relayed entry passes
 * here once it is on disk, and again when it is replayed; what was before is in the checkpoint's note. So a
 * position is never ahead of what the disk has, and after the replay never behind it (SPEC.md K11).
 */
export class Relays<Message> implements Inlet<Message> {
  readonly #actors: Actors<Message>
  readonly #sequences: Map<string, number>
  readonly #noteOfActors: (offset: number) => string

  private constructor(
    { inlet, note }: NotedInlet<Message>,
    sequences: ReadonlyMap<string, number>,
  ) {
    this.#actors = inlet
    this.#noteOfActors = note ?? ((): string => '')
    this.#sequences = new Map(sequences)
  }

  /** `note` is what `noteAt` said, or what the inlet behind it noted by itself before there were relays. */
  static before<Message>(
    note: string,
    inlet: (note: string) => NotedInlet<Message>,
  ): Relays<Message> {
    const at = note.indexOf(MARK)
    const own = at < 0 ? '' : note.slice(0, at)
    return new Relays(inlet(note.slice(at + 1)), new Map(own === '' ? [] : parsed(own)))
  }

  get backlog(): number {
    return this.#actors.backlog
  }

  handled(offset: number): Promise<void> {
    return this.#actors.handled(offset)
  }

  enqueue(delivery: Delivery<Message>): void {
    const { relay } = delivery
    if (relay) {
      const { sender, sequence } = relay
      // A replay begins before the note was taken.
      this.#sequences.set(sender, Math.max(sequence, this.#sequences.get(sender) ?? -1))
    }
    this.#actors.enqueue(delivery)
  }

  /** The sender's own offset behind the last message of its that is on disk; null for one that never sent. */
  next(sender: string): number | null {
    const sequence = this.#sequences.get(sender)
    return sequence === undefined ? null : sequence + 1
  }

  /** No new sender can be remembered: it must be refused. None is ever forgotten, since its repeats would be taken. */
  get full(): boolean {
    return this.#sequences.size >= SENDERS_MAX
  }

  /** What a checkpoint at `offset` must note. Positions may be newer than it: their entries are on disk too. */
  noteAt(offset: number): string {
    const rest = this.#noteOfActors(offset)
    if (this.#sequences.size === 0) return rest
    const own = Buffer.from(JSON.stringify([...this.#sequences])).toString('base64')
    return `${own}${MARK}${rest}`
  }
}

function parsed(own: string): [string, number][] {
  try {
    return JSON.parse(Buffer.from(own, 'base64').toString()) as [string, number][]
  } catch (cause) {
    const message = 'what was noted of edge gateways cannot be read'
    throw new OrreryError('note_corrupt', message, { cause })
  }
}
