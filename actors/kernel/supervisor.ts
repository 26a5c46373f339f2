import type { DeadLetterFact } from '../model/fact.ts'
import { messageText } from '../model/frame.ts'
import type { Behavior, Step, Turn } from './behavior.ts'
import type { Cell, Letter } from './cell.ts'
import type { FactTarget } from './delivery.ts'
import type { Directory } from './directory.ts'
import { messageOf, OrreryError } from './errors.ts'
import type { Log, Telemetry } from './telemetry.ts'

type SupervisorOptions<State, Message, Page> = Readonly<{
  partition: number
  behavior: Behavior<State, Message, Page>
  directory: Directory<State, Message, Page>
  derived: FactTarget
  log: Log
  telemetry: Telemetry
}>

/** How often a turn is tried, each time from the state before it. */
const ATTEMPTS_MAX = 2
const RAW_BYTES_MAX = 64 * 1024

/**
 * Runs turns and contains what they throw: the actor restarts from its state before the turn, and
 * when that does not help the message becomes a dead letter and the actor goes on without it.
 * Neighbours and the process are untouched.
 */
export class Supervisor<State, Message, Page> {
  readonly #options: SupervisorOptions<State, Message, Page>
  readonly #turns
  readonly #duplicates
  readonly #late
  readonly #restarts
  readonly #poisoned
  readonly #tidesMissed
  /** Actors whose trouble with tides is in the log. */
  readonly #missing = new Set<string>()

  constructor(options: SupervisorOptions<State, Message, Page>) {
    this.#options = options
    const { telemetry } = options
    this.#turns = telemetry.counter('orrery_turns_total', 'Messages that actors have handled')
    this.#duplicates = telemetry.counter(
      'orrery_duplicates_total',
      'Exact repeats that actors have dropped',
    )
    this.#late = telemetry.counter(
      'orrery_late_total',
      'Messages that came after what they belong to was final',
    )
    this.#restarts = telemetry.counter(
      'orrery_actor_restarts_total',
      'Actors restarted after their behavior threw',
    )
    this.#poisoned = telemetry.counter(
      'orrery_poison_total',
      'Messages given up because a behavior kept throwing',
    )
    this.#tidesMissed = telemetry.counter(
      'orrery_tides_missed_total',
      'Times an actor could not tell what had changed, because its behavior kept throwing',
    )
  }

  /**
   * The actor, woken. Null when its state cannot be understood: then the letter is a dead letter.
   * `later` when the store cannot be read now: that is no fault of the letter.
   */
  wake(id: string, letter: Letter<Message>): Cell<State, Message> | 'later' | null {
    try {
      return this.#options.directory.get(id)
    } catch (thrown) {
      if (!(thrown instanceof OrreryError && thrown.code === 'state_unreadable')) {
        this.#options.log.warn(
          { error: messageOf(thrown) },
          'state store cannot be read, tried again',
        )
        return 'later'
      }
      this.#giveUp(id, letter, thrown)
      return null
    }
  }

  /** What the actor must look up first; a behavior that throws here throws in its turn again. */
  recalls(cell: Cell<State, Message>, letter: Letter<Message>): number | null {
    if (letter.offset <= cell.offset || !('message' in letter.content)) return null
    try {
      return this.#options.behavior.recalls(cell.state, letter.content.message)
    } catch {
      return null
    }
  }

  /** One turn. A message that the state has seen already (a replay over a newer state) is passed over. */
  turn(cell: Cell<State, Message>, letter: Letter<Message>): void {
    if (hasSeen(cell, letter)) {
      letter.applied?.(false, false)
      return
    }
    const step = this.#attempt(cell, letter)
    cell.offset = letter.offset
    cell.turns++
    if (!step) return
    cell.state = step.state
    if (!('tide' in letter.content)) this.#turns.value++
    if (step.duplicate) this.#duplicates.value++
    if (step.late) this.#late.value++
    for (const fact of step.facts) this.#options.derived.accept(fact)
    letter.applied?.(step.duplicate ?? false, step.late ?? false)
  }

  #attempt(cell: Cell<State, Message>, letter: Letter<Message>): Step<State> | null {
    const { behavior, partition, log } = this.#options
    const { offset, receivedMs, content } = letter
    const turn: Turn = { partition, offset, receivedMs }
    for (let attempt = 1; ; attempt++) {
      try {
        if ('message' in content) return behavior.receive(cell.state, content.message, turn)
        if ('timer' in content) return behavior.onTimer(cell.state, content.timer, turn)
        return behavior.onTide?.(cell.state, content.tide, turn) ?? null
      } catch (thrown) {
        if (attempt >= ATTEMPTS_MAX) {
          this.#giveUp(cell.id, letter, thrown)
          return null
        }
        this.#restarts.value++
        log.warn(
          { actor: this.#options.directory.keyOf(cell.id), offset, error: messageOf(thrown) },
          'actor restarted',
        )
      }
    }
  }

  #giveUp(id: string, letter: Letter<Message>, thrown: unknown): void {
    const { derived, directory, partition, log } = this.#options
    const key = directory.keyOf(id)
    if ('tide' in letter.content) return this.#missTide(key, letter.offset, thrown)
    const raw = new TextEncoder().encode(rawOf(letter))
    const fact: DeadLetterFact = {
      kind: 'dead_letter',
      partition,
      offset: letter.offset,
      part: 0,
      code: 'poison',
      path: '',
      expected: 'a message that the actor can handle',
      received: key,
      message: `${key}: ${messageOf(thrown)}`,
      raw: raw.subarray(0, RAW_BYTES_MAX),
      truncated: raw.length > RAW_BYTES_MAX,
      receivedMs: letter.receivedMs,
      source: letter.frame?.source ?? 'timer',
    }
    derived.accept(fact)
    this.#poisoned.value++
    log.error({ actor: key, offset: letter.offset, error: messageOf(thrown) }, 'message given up')
    letter.applied?.(false, false)
  }

  /** Nobody's message is lost by it: the actor tells what it has to tell at a later tide. Logged once an actor. */
  #missTide(key: string, offset: number, thrown: unknown): void {
    this.#tidesMissed.add()
    if (this.#missing.has(key)) return
    this.#missing.add(key)
    this.#options.log.error({ actor: key, offset, error: messageOf(thrown) }, 'tide missed')
  }
}

/** A tide has the offset of the message before it, and to hear of it again changes nothing. */
function hasSeen<State, Message>(
  cell: Cell<State, Message>,
  { offset, content }: Letter<Message>,
): boolean {
  return 'tide' in content ? offset < cell.offset : offset <= cell.offset
}

/** What is kept of a message that was given up: the ping as its sender wrote it, so that it can be read again. */
function rawOf<Message>({ frame, offset, content }: Letter<Message>): string {
  return (frame && messageText(frame, offset - frame.offset)) ?? JSON.stringify(content)
}
