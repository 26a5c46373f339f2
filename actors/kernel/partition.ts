import type { History, HistoryPage } from '../model/history.ts'
import type { Behavior, Tide } from './behavior.ts'
import type { Letter } from './cell.ts'
import type { Clock } from './clock.ts'
import type { Delivery, FactTarget } from './delivery.ts'
import type { Directory } from './directory.ts'
import { Mailbox } from './mailbox.ts'
import { Recaller } from './recaller.ts'
import { Supervisor } from './supervisor.ts'
import type { Log, Telemetry } from './telemetry.ts'

const SLICE_GROWTH_MAX = 8

/** Pause before a state that could not be read is asked for again. */
const WAKE_RETRY_MS = 250

export type PartitionOptions<State, Message, Page = HistoryPage> = Readonly<{
  partition: number
  behavior: Behavior<State, Message, Page>
  /** The id of the actor that a message is for. */
  idOf: (message: Message) => string
  directory: Directory<State, Message, Page>
  history: History<Page>
  /** Takes frames as received (bronze): not held up by actors that look into their past. */
  received: FactTarget
  /** Takes what actors derive (silver, metrics, feed). */
  derived: FactTarget
  clock: Clock
  log: Log
  telemetry: Telemetry
  limits: Readonly<{ turnsPerSliceMax: number; mailboxMax: number; awakeMax: number }>
}>

/**
 * Runs the actors of one partition over its journal, in order of offsets: one turn at a time, many
 * turns a slice, then other I/O goes first. An actor that must look into its past waits alone; the
 * others go on, and the derived watermark stays before its first waiting message (SPEC.md K1–K5).
 */
export class Partition<State, Message, Page = HistoryPage> {
  readonly #options: PartitionOptions<State, Message, Page>
  readonly #supervisor: Supervisor<State, Message, Page>
  /** Not bounded here: whoever offers messages asks for `backlog` first. */
  readonly #queue = new Mailbox<Delivery<Message>>(Number.MAX_SAFE_INTEGER)
  /** Place within the first delivery. */
  #position = 0
  #begun = false
  #tally: { pending: number; duplicates: number; late: number } | null = null
  #waitingForRoom = false
  #scheduled = false
  #halted = false
  #backlog = 0
  #delivered: number
  readonly #recaller: Recaller<State, Message, Page>
  /** Who waits for progress, told after each slice. */
  #sliced: (() => void)[] = []

  constructor(options: PartitionOptions<State, Message, Page>, deliveredThrough: number) {
    this.#options = options
    this.#delivered = deliveredThrough
    this.#supervisor = new Supervisor(options)
    this.#recaller = new Recaller({
      ...options,
      supervisor: this.#supervisor,
      mailboxMax: options.limits.mailboxMax,
      changed: () => this.#schedule(),
    })
    options.telemetry
      .gauge('orrery_backlog_pings', 'Committed messages that wait for their turn')
      .from(() => this.#backlog)
    options.telemetry
      .gauge('orrery_actors_awake', 'Actors in memory')
      .from(() => options.directory.awake)
    options.telemetry
      .gauge('orrery_actors_recalling', 'Actors that look into their past')
      .from(() => this.#recaller.size)
  }

  /** Committed messages that no actor has handled yet. */
  get backlog(): number {
    return this.#backlog
  }

  /** Every message up to this offset has been handled, and its facts handed over. */
  get handledThrough(): number {
    return Math.min(this.#delivered, this.#recaller.oldestOffset - 1)
  }

  /** Takes the next committed entry; entries come in order of offsets, without gaps. */
  enqueue(delivery: Delivery<Message>): void {
    this.#queue.offer(delivery)
    this.#backlog += delivery.count
    this.#schedule()
  }

  /** Resolves when everything enqueued has been handled. */
  async idle(): Promise<void> {
    while (this.#backlog > 0 || this.#recaller.size > 0) {
      await new Promise<void>((resolve) => this.#sliced.push(resolve))
    }
  }

  /** Resolves when every message up to `offset` has been handled, and its facts handed over. */
  async handled(offset: number): Promise<void> {
    while (this.handledThrough < offset) {
      await new Promise<void>((resolve) => this.#sliced.push(resolve))
    }
  }

  /** No more turns: what was not handled is on disk, for the next start. */
  halt(): void {
    this.#halted = true
    this.#recaller.halt()
  }

  /** Goes on after something outside made room (an actor was put away). */
  wake(): void {
    this.#schedule()
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#options.clock.soon(() => {
      this.#scheduled = false
      if (!this.#halted) this.#slice()
    })
  }

  #slice(): void {
    const turnsMax = this.#turnsMax
    let turns = 0
    while (turns < turnsMax && this.#hasRoom()) {
      const delivery = this.#queue.peek()
      if (!delivery) break
      if (!this.#begun) this.#begin(delivery)
      const done = this.#handle(delivery, turnsMax - turns)
      if (done === 0) break
      turns += done
      this.#position += done
      this.#backlog -= done
      // Within a delivery too: its facts may be more than the sinks hold before they may write any.
      this.#delivered = Math.max(this.#delivered, delivery.offset + this.#position - 1)
      if (this.#position < delivery.count) continue
      this.#position = 0
      this.#begun = false
      this.#queue.take()
    }
    this.#recaller.load()
    this.#options.derived.advance(this.handledThrough)
    if (this.#queue.size > 0 && turns > 0) this.#schedule()
    this.#tellSliced()
  }

  /** More while many wait: between two slices everything that came is read, and under overload that is a lot. */
  get #turnsMax(): number {
    const { turnsPerSliceMax } = this.#options.limits
    const most = turnsPerSliceMax * SLICE_GROWTH_MAX
    return Math.max(turnsPerSliceMax, Math.min(most, this.#backlog >> 5))
  }

  /** False while a sink or the bound on awake actors holds the partition up; asks to be woken. */
  #hasRoom(): boolean {
    const { received, derived, directory, limits } = this.#options
    if (directory.awake > limits.awakeMax * 2) return false
    const busy = received.full ? received : derived.full ? derived : null
    if (!busy) return true
    if (!this.#waitingForRoom) {
      this.#waitingForRoom = true
      busy.onRoom(() => {
        this.#waitingForRoom = false
        this.#schedule()
      })
    }
    return false
  }

  #begin(delivery: Delivery<Message>): void {
    const { received, derived } = this.#options
    this.#begun = true
    if (delivery.kind === 'messages') {
      received.accept(delivery.frame)
      derived.accept(delivery.frame)
      this.#tally = delivery.applied
        ? { pending: delivery.frame.count, duplicates: 0, late: 0 }
        : null
    } else if (delivery.kind === 'fact') {
      derived.accept(delivery.fact)
    }
    received.advance(delivery.offset + delivery.count - 1)
  }

  /** Handles up to `max` messages of the delivery from the current place on; how many it did. */
  #handle(delivery: Delivery<Message>, max: number): number {
    if (delivery.kind === 'fact') return 1
    if (delivery.kind === 'tide') {
      if (!this.#ebb(delivery, delivery.tide)) return 0
      const { applied } = delivery
      if (applied) void this.handled(delivery.offset).then(applied)
      return 1
    }
    if (delivery.kind === 'timer') {
      const content = { timer: delivery.timer }
      const id = this.#options.directory.idOf(delivery.key)
      return this.#deliver(id, delivery, delivery.offset, content, delivery.applied) ? 1 : 0
    }
    let until = Math.min(delivery.count, this.#position + max)
    const { tide } = delivery
    if (tide && until === delivery.count) {
      // The tide goes with the last message, which comes by itself: there must be room for both.
      if (this.#position < until - 1) until--
      else if (!this.#recaller.hasRoom(2)) return 0
    }
    for (let index = this.#position; index < until; index++) {
      const message = delivery.messages[index]
      if (message === undefined) {
        if (delivery.retry?.offset === delivery.offset + index) {
          this.#options.derived.accept(delivery.retry)
        }
        continue
      }
      const applied = this.#appliedOne(delivery)
      const id = this.#options.idOf(message)
      if (!this.#deliver(id, delivery, delivery.offset + index, { message }, applied)) {
        return index - this.#position
      }
    }
    if (tide && until === delivery.count) this.#ebb(delivery, tide)
    return until - this.#position
  }

  /** Tells every actor that had a message, or has something to do at this watermark; false when one has no room. */
  #ebb({ offset, count, receivedMs }: Delivery<Message>, tide: Tide | null): boolean {
    const { behavior, directory } = this.#options
    if (!tide) return true
    if (!this.#recaller.hasRoom(1)) return false
    const at = { offset: offset + count - 1, receivedMs }
    const letter: Letter<Message> = { ...at, content: { tide }, frame: null, applied: null }
    for (const cell of directory.cells()) {
      if (cell.waiting) cell.waiting.offer(letter)
      else if (cell.touched || tide.flush || behavior.ebbs?.(cell.state, tide.watermarkMs)) {
        this.#supervisor.turn(cell, letter)
        cell.touched = false
      }
    }
    return true
  }

  #appliedOne(delivery: Delivery<Message>): Letter<Message>['applied'] {
    const tally = this.#tally
    if (!tally || delivery.kind !== 'messages' || !delivery.applied) return null
    const applied = delivery.applied
    return (duplicate, late) => {
      if (duplicate) tally.duplicates++
      if (late) tally.late++
      if (--tally.pending === 0) applied(tally.duplicates, tally.late)
    }
  }

  /** One message to one actor: handled now, or kept behind what the actor waits for; false when that is full. */
  #deliver(
    id: string,
    delivery: Delivery<Message>,
    offset: number,
    content: Letter<Message>['content'],
    applied: Letter<Message>['applied'],
  ): boolean {
    const { receivedMs } = delivery
    const frame = delivery.kind === 'messages' ? delivery.frame : null
    const letter: Letter<Message> = { offset, receivedMs, content, frame, applied }
    const cell = this.#supervisor.wake(id, letter)
    if (!cell) return true
    if (cell === 'later') {
      this.#options.clock.after(WAKE_RETRY_MS, () => this.#schedule())
      return false
    }
    cell.recent = cell.touched = true
    cell.lastReceivedMs = delivery.receivedMs
    if (cell.waiting) return cell.waiting.offer(letter)
    const aroundUs = this.#supervisor.recalls(cell, letter)
    if (aroundUs === null) {
      this.#supervisor.turn(cell, letter)
      return true
    }
    this.#recaller.park(cell, letter, aroundUs)
    return true
  }

  #tellSliced(): void {
    if (this.#sliced.length === 0) return
    const waiting = this.#sliced
    this.#sliced = []
    for (const resolve of waiting) resolve()
  }
}
