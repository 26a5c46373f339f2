import type { FrameFact } from '../model/fact.ts'
import type { Tide, TimerMessage } from './behavior.ts'
import type { Mailbox } from './mailbox.ts'

/** A message on its way to an actor. */
export type Letter<Message> = Readonly<{
  offset: number
  receivedMs: number
  content:
    Readonly<{ message: Message }> | Readonly<{ timer: TimerMessage }> | Readonly<{ tide: Tide }>
  /** The frame that it came in, as received; null for a timer and for a tide. */
  frame: FrameFact | null
  /** Told when the turn is over; for senders that wait for it. */
  applied: ((duplicate: boolean, late: boolean) => void) | null
}>

/** One actor that is awake: its state, and what waits while it looks into its past. */
export class Cell<State, Message> {
  /** The actor's name among those of its behavior; its address is `<behavior>:<id>`. */
  readonly id: string
  state: State
  /** The last message that `state` has seen. */
  offset: number
  /** Turns it has had since it woke, and how many of them the newest stored state has seen. */
  turns = 0
  storedTurns = 0
  /** Letters that wait for a look into the past; null while none is under way. */
  waiting: Mailbox<Letter<Message>> | null = null
  /** Had a message since the tide that it heard of last, or was woken with one in its state. */
  touched = true
  /** Had a message since the sweep came by last. */
  recent = true
  /** Wall clock of its last message, for passivation by idleness. */
  lastReceivedMs = 0
  /** Being put away: dropped when the write is done and nothing came in the meantime. */
  leaving = false

  constructor(id: string, state: State, offset: number) {
    this.id = id
    this.state = state
    this.offset = offset
  }

  /** True when its state has seen more than what is stored. A tide changes it too, at an offset it has had. */
  get changed(): boolean {
    return this.turns > this.storedTurns
  }

  /** The oldest message it has not handled, or null. */
  get waitingOffset(): number | null {
    return this.waiting?.peek()?.offset ?? null
  }
}
