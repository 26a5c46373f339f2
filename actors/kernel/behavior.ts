import type { Fact } from '../model/fact.ts'
import type { HistoryPage } from '../model/history.ts'

/** Where and when a message is handled. All of it is in the journal, so a replay sees the same. */
export type Turn = Readonly<{
  partition: number
  offset: number
  /** When the message was received, wall clock of the first run. */
  receivedMs: number
}>

/** What a turn leads to. */
export type Step<State> = Readonly<{
  state: State
  facts: readonly Fact[]
  /** The message was an exact repeat and changed nothing. */
  duplicate?: boolean
  /** The message came after what it belongs to was final. */
  late?: boolean
}>

/** A message that a durable timer sends through the journal to its actor. */
export type TimerMessage = Readonly<{
  timer: string
  dueMs: number
  /** The moment that the timer counts from. Another one in the state by then: the timer was moved. */
  basisMs: number
}>

/**
 * How far the stream of a partition has come in event time; told at the end of each of its frames, and by a
 * flush. It is a function of the journal alone.
 */
export type Tide = Readonly<{
  /** Everything at or before it is taken to have come. */
  watermarkMs: number
  /** A flush: nothing more is expected for what is open now. */
  flush: boolean
}>

/**
 * What an actor does. Pure and synchronous: no clock, no I/O, no randomness; the state handed in is
 * not changed. The same journal gives the same facts, ids and states.
 */
export interface Behavior<State, Message, Page = HistoryPage> {
  readonly name: string
  /** Version of `encode`. */
  readonly version: number
  initial(): State
  /**
   * The event time (µs) around which the actor must see what it no longer holds, or null when it can
   * decide by itself. Asked before `receive`; answered by `recalled`.
   */
  recalls(state: State, message: Message): number | null
  /** The state with a page of its past at hand, until `forgotten`. */
  recalled(state: State, page: Page): State
  forgotten(state: State): State
  receive(state: State, message: Message, turn: Turn): Step<State>
  onTimer(state: State, message: TimerMessage, turn: Turn): Step<State>
  /**
   * Hears of the tide: always when it had a message in the frame that ends, else when `ebbs` says so. At the
   * offset of the frame's last message; may be asked again about one that it has heard of. Left out by
   * behaviors to which event time means nothing.
   */
  onTide?(state: State, tide: Tide, turn: Turn): Step<State>
  /** True when `onTide` has something to do at this watermark. Asked of every awake actor at each frame: cheap. */
  ebbs?(state: State, watermarkMs: number): boolean
  /** When the actor's next durable timer is due, wall clock, or null. */
  timer(state: State): TimerMessage | null
  /** True while the actor belongs on the live map. */
  live(state: State): boolean
  encode(state: State): Uint8Array
  /** Reads any version up to its own. Throws on what it cannot read. */
  decode(bytes: Uint8Array, version: number): State
}
