import type { Random, VirtualClock } from '../actors/kernel/clock.ts'
import type { Wire } from '../gateway/conversation.ts'
import type { Gate, Mortal } from './world-gate.ts'
import { Link, type Peer } from './world-link.ts'
import { drawInt, type Plan } from './world-plan.ts'
import { frameText, type Parcel } from './world-traffic.ts'

/** A key that the gateway knows. */
export const SIM_KEY = 'key-of-the-simulation'

/** The server as clients find it: a process that listens, or nobody. */
export interface Server {
  readonly mortal: Mortal
  readonly listening: boolean
  /** A new socket; `keyed` when its key came with the upgrade. */
  accept(wire: Wire, keyed: boolean): Peer
  /** A body posted; answers like a socket does, when it is on disk and its turns are done. */
  post(text: string, answer: (reply: string) => void): void
}

/** What clients were told. It is all that the checker believes. */
export class Told {
  /** Marks of pings that were acknowledged. */
  readonly acknowledged = new Set<number>()
  /** Pieces that were refused, and therefore kept as dead letters; how often. */
  readonly refused = new Map<string, number>()
  /** How often each mark was sent. */
  readonly sent = new Map<number, number>()
  /** Answers that should never have been given. */
  readonly wrong: string[] = []
}

export type ClientOptions = Readonly<{
  name: string
  clock: VirtualClock
  random: Random
  gate: Gate
  plan: Plan
  parcels: readonly Parcel[]
  told: Told
  server: () => Server | null
}>

const REPLY_MS_MAX = 8_000
type Way = 'socket' | 'post'

/** Sends its parcels until each was acknowledged, whatever it costs. */
export class Client {
  readonly #options: ClientOptions
  readonly #way: Way
  readonly #keyed: boolean
  readonly #asList: boolean
  readonly #window: number
  readonly #paceMs: number
  readonly #waiting: Parcel[]
  /** Sent and not answered, oldest first; null is the authentication. */
  #sent: (Parcel | null)[] = []
  #link: Link | null = null
  #cancelLate: () => void = () => {}
  #resumeMs = 0

  constructor(options: ClientOptions) {
    const { random, plan, parcels } = options
    this.#options = options
    this.#waiting = [...parcels]
    this.#way = random() < 0.25 ? 'post' : 'socket'
    this.#keyed = random() < 0.3
    this.#asList = random() < 0.5
    this.#window = random() < 0.4 ? 1 : drawInt(random, 2, 12)
    // Spread over the run, or as fast as it goes.
    const spreadMs = (plan.faultMs * random()) / Math.max(1, parcels.length)
    this.#paceMs = random() < 0.3 ? 1 : Math.max(1, Math.floor(spreadMs))
  }

  get done(): boolean {
    return this.#waiting.length === 0 && this.#sent.length === 0
  }

  /** What it waits for, for whoever asks why a run does not end. */
  get status(): string {
    const { name } = this.#options
    const link = this.#link ? (this.#link.open ? 'open' : 'cut') : 'none'
    return `${name} (${this.#way}, line ${link}): ${this.#waiting.length} to send, ${this.#sent.length} unanswered`
  }

  start(): void {
    this.#next(0)
  }

  /** The line is cut, as a storm does to all of them. */
  cut(): void {
    this.#link?.cut()
  }

  #next(delayMs: number): void {
    this.#options.clock.after(delayMs, () => {
      this.#step()
      if (!this.done) this.#next(this.#paceMs)
    })
  }

  #step(): void {
    const { clock, gate, plan, server } = this.#options
    if (gate.chance(plan.cutRate)) this.cut()
    if (clock.monotonicMs() < this.#resumeMs) return
    const found = server()
    if (!found?.listening) return
    if (this.#way === 'post') {
      if (this.#sent.length === 0 && this.#waiting.length > 0) this.#post(found)
      return
    }
    const link = this.#link?.open ? this.#link : this.#connect(found)
    while (this.#sent.length < this.#window && this.#waiting.length > 0) this.#send(link)
  }

  #connect(server: Server): Link {
    const { clock, random, plan, gate } = this.#options
    const link = new Link({
      ...{ clock, random },
      mortal: server.mortal,
      latencyMsMax: plan.latencyMsMax,
      accept: (wire) => server.accept(wire, this.#keyed),
      onReply: (text) => this.#answered(text),
      onCut: () => this.#lost(link),
      isCongested: () => gate.chance(plan.cutRate / 2),
    })
    this.#link = link
    if (!this.#keyed) {
      this.#sent.push(null)
      link.send(JSON.stringify({ type: 'authentication', api_key: SIM_KEY }))
    }
    return link
  }

  #send(link: Link): void {
    const parcel = this.#waiting.shift()
    if (!parcel) return
    this.#sent.push(parcel)
    const text = this.#frame(parcel)
    link.send(this.#options.random() < 0.3 ? Buffer.from(text) : text)
    this.#expect()
  }

  #post(server: Server): void {
    const parcel = this.#waiting.shift()
    if (!parcel) return
    this.#sent.push(parcel)
    let answered = false
    const once = (act: () => void): void => {
      if (answered) return
      answered = true
      act()
    }
    const { clock, gate, plan, random } = this.#options
    server.post(this.#frame(parcel), (reply) => {
      // The request may have been given up, or its answer may be lost.
      if (gate.chance(plan.cutRate)) return
      const delayMs = Math.ceil(random() * plan.latencyMsMax)
      clock.after(delayMs, () => once(() => this.#answered(reply)))
    })
    clock.after(REPLY_MS_MAX, () => once(() => this.#takeBack()))
  }

  #frame(parcel: Parcel): string {
    const { sent } = this.#options.told
    for (const piece of parcel.pieces) {
      if (typeof piece !== 'string') sent.set(piece.mark, (sent.get(piece.mark) ?? 0) + 1)
    }
    return frameText(parcel, this.#asList && parcel.pieces.length > 1)
  }

  /** No answer for long: the line is taken for dead. */
  #expect(): void {
    this.#cancelLate()
    this.#cancelLate = this.#options.clock.after(REPLY_MS_MAX, () => this.cut())
  }

  #lost(link: Link): void {
    if (this.#link === link) this.#link = null
    this.#cancelLate()
    this.#takeBack()
  }

  #takeBack(): void {
    const back = this.#sent.filter((parcel) => parcel !== null)
    this.#sent = []
    this.#waiting.unshift(...back)
  }

  #answered(text: string): void {
    const { clock, told } = this.#options
    this.#cancelLate()
    const parcel = this.#sent.shift()
    if (this.#sent.length > 0) this.#expect()
    if (parcel === null) {
      if (!text.includes('"authenticated"')) told.wrong.push(`a good key was refused: ${text}`)
      return
    }
    if (!parcel) {
      told.wrong.push(`an answer without a message: ${text}`)
      return
    }
    const reply = JSON.parse(text) as Reply
    if (reply.retry_after_ms !== undefined) {
      this.#waiting.unshift(parcel)
      this.#resumeMs = clock.monotonicMs() + Math.min(reply.retry_after_ms, 500)
      return
    }
    this.#believe(parcel, reply, text)
  }

  #believe(parcel: Parcel, reply: Reply, text: string): void {
    const { told } = this.#options
    const refused = new Set(reply.refused?.map(({ index }) => index))
    const isLone = parcel.pieces.length === 1 && reply.refused === undefined
    for (const [index, piece] of parcel.pieces.entries()) {
      const isRefused = isLone ? !reply.success : refused.has(index)
      if (typeof piece !== 'string') {
        if (isRefused) told.wrong.push(`a good ping was refused: ${text}`)
        else told.acknowledged.add(piece.mark)
      } else if (isRefused) told.refused.set(piece, (told.refused.get(piece) ?? 0) + 1)
      else told.wrong.push(`accepted as a ping: ${piece}`)
    }
  }
}

type Reply = {
  success?: boolean
  retry_after_ms?: number
  refused?: readonly { index: number }[]
}
