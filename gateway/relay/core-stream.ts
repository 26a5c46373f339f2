import { z } from 'zod'

import type { Clock } from '../../actors/kernel/clock.ts'
import { OrreryError } from '../../actors/kernel/errors.ts'
import type { Log } from '../../actors/kernel/telemetry.ts'
import type { DeadLetter } from '../../actors/model/fact.ts'
import type { Ingest, NotTaken, OfferOutcome, RelayStamp } from '../../actors/model/offer.ts'
import type { ItemKind } from '../item-kind.ts'
import { readMessage } from '../message.ts'
import type { GatewayOptions } from '../options.ts'
import { entriesOfFrame, type Frame, type RelayEntry } from './frame.ts'
import type { RelayPositions } from './positions.ts'
import type { StreamName } from './protocol.ts'

/** The way in of one stream, with what is known of its edges. */
export type RelayTarget<Item> = Readonly<{
  stream: StreamName
  kind: ItemKind<Item>
  ingest: Ingest<Item>
  positions: RelayPositions
  /** Where the stream has flushes. */
  flush?: (
    source: string,
    receivedMs: number,
    done: (outcome: OfferOutcome) => void,
    relay: RelayStamp,
  ) => void
}>

export type CoreStreamOptions<Item> = Readonly<{
  target: RelayTarget<Item>
  edge: string
  sender: string
  /** The first offset to take. */
  resume: number
  limits: GatewayOptions
  clock: Clock
  log: Log
  on: Readonly<{
    ack(stream: StreamName, next: number): void
    busy(stream: StreamName, next: number, turn: number, why: NotTaken): void
    taken(stream: StreamName, messages: number, repeats: number): void
    /** The edge does not keep to the protocol. */
    failed(thrown: unknown): void
  }>
}>

type Pending = { readonly first: number; readonly next: number; state: 'waiting' | 'taken' | 'not' }

/** A journal's entry takes 255 bytes of source: the edge's name is to fit in. */
const SOURCE_LENGTH_MAX = 128

/**
 * One stream of one edge's connection: offers its entries to the journal in the order of their offsets, each once, and
 * acknowledges what the journal has. After a refusal nothing is offered until the edge comes again from there: what it had
 * sent meanwhile is of an older turn (SPEC.md R3).
 */
export class CoreStream<Item> {
  readonly #options: CoreStreamOptions<Item>
  readonly #limits: GatewayOptions
  readonly #frames: Frame[] = []
  #pending: Pending[] = []
  #working = false
  #closed = false
  #turn = 0
  /** The next offset to offer. */
  #expected: number
  /** Everything before it is in the journal. */
  #acknowledged: number
  #refusal: Readonly<{ at: number; why: NotTaken }> | null = null
  #onIdle: (() => void) | null = null

  constructor(options: CoreStreamOptions<Item>) {
    this.#options = options
    // What an edge took as one message stays one, whatever this gateway would take of a sender.
    const { limits } = options
    const unbounded = Number.MAX_SAFE_INTEGER
    this.#limits = { ...limits, pingsPerMessageMax: unbounded, refusedPerMessageMax: unbounded }
    this.#expected = this.#acknowledged = options.resume
  }

  /** Bytes of frames that wait to be read. */
  get bytesWaiting(): number {
    return this.#frames.reduce((sum, { body }) => sum + body.byteLength, 0)
  }

  frame(frame: Frame): void {
    if (this.#closed || frame.header.turn !== this.#turn) return
    this.#frames.push(frame)
    if (!this.#working) void this.#work()
  }

  /** Offers nothing more; resolves when everything offered is in the journal or refused. */
  close(): Promise<void> {
    this.#closed = true
    this.#frames.length = 0
    if (this.#pending.length === 0) return Promise.resolve()
    return new Promise((resolve) => {
      this.#onIdle = resolve
    })
  }

  async #work(): Promise<void> {
    this.#working = true
    try {
      for (let frame = this.#frames.shift(); frame; frame = this.#frames.shift()) {
        this.#take(frame)
        // Others have their turn between two frames.
        await new Promise<void>((resolve) => this.#options.clock.soon(resolve))
      }
    } catch (thrown) {
      this.#options.on.failed(thrown)
    } finally {
      this.#working = false
    }
  }

  #take(frame: Frame): void {
    if (frame.header.turn !== this.#turn) return
    const { on, target } = this.#options
    let messages = 0
    let repeats = 0
    for (const entry of entriesOfFrame(frame)) {
      const next = entry.offset + entry.count
      if (next <= this.#expected) {
        repeats += entry.count
        continue
      }
      const isNext = entry.offset === this.#expected
      const refusal = isNext ? (target.ingest.refusal?.() ?? null) : this.#gap(entry.offset)
      if (refusal) {
        this.#refused(this.#expected, refusal)
        break
      }
      messages += entry.count
      this.#offer(entry, next)
      if (frame.header.turn !== this.#turn) break
    }
    on.taken(target.stream, messages, repeats)
    // Of repeats alone nothing is offered, and the edge waits all the same.
    if (repeats > 0) on.ack(target.stream, this.#acknowledged)
  }

  #gap(offset: number): NotTaken {
    const { edge, log, target } = this.#options
    const at = { edge, stream: target.stream, expected: this.#expected, offset }
    log.warn(at, 'an edge gateway left out messages: it is asked for them')
    return { ok: false, code: 'unavailable', message: 'messages are missing', retryAfterMs: 0 }
  }

  #offer(entry: RelayEntry, next: number): void {
    const { target, sender, edge } = this.#options
    const pending: Pending = { first: entry.offset, next, state: 'waiting' }
    this.#pending.push(pending)
    this.#expected = next
    const relay: RelayStamp = { sender, sequence: next - 1 }
    const source = sourceOf(entry.source, edge)
    const receivedMs = this.#receivedMs(entry)
    const done = (outcome: OfferOutcome): void => this.#settle(pending, outcome)
    const nothing = { source, receivedMs, payload: '', messages: [], countDuplicates: false, relay }
    switch (entry.kind) {
      case 'dead_letter':
        target.ingest.offer(
          { ...nothing, deadLetters: [letterOf(entry, source, receivedMs)] },
          done,
        )
        return
      case 'flush':
        if (!target.flush) throw notOfStream(entry, target.stream)
        target.flush(source, receivedMs, done, relay)
        return
      case 'pings':
      case 'trips': {
        if (entry.kind !== target.stream) throw notOfStream(entry, target.stream)
        const { kind } = target
        const receipt = { kind, receivedMs, source, limits: this.#limits }
        const { items: messages, payload, deadLetters } = readMessage(entry.payload, receipt)
        target.ingest.offer({ ...nothing, payload, messages, deadLetters }, done)
      }
    }
  }

  /** As the edge had it: a clock that is ahead of ours is not believed. */
  #receivedMs({ receivedMs }: RelayEntry): number {
    const nowMs = this.#options.clock.nowMs()
    return receivedMs >= 0 && receivedMs <= nowMs ? receivedMs : nowMs
  }

  #settle(pending: Pending, outcome: OfferOutcome): void {
    pending.state = outcome.ok ? 'taken' : 'not'
    if (!outcome.ok) this.#refused(pending.first, outcome)
    const { on, target, sender } = this.#options
    const before = this.#acknowledged
    while (this.#pending[0] && this.#pending[0].state !== 'waiting') {
      const settled = this.#pending.shift()
      if (settled?.state === 'taken' && settled.first === this.#acknowledged) {
        this.#acknowledged = settled.next
      }
    }
    if (this.#acknowledged > before) {
      target.positions.reached(sender, this.#acknowledged)
      if (!this.#closed) on.ack(target.stream, this.#acknowledged)
    }
    this.#turnIfDue()
    if (this.#pending.length === 0) this.#onIdle?.()
  }

  /** The first refusal of a turn ends it. */
  #refused(at: number, why: NotTaken): void {
    if (this.#refusal && this.#refusal.at <= at) return
    if (!this.#refusal) this.#turn++
    this.#frames.length = 0
    this.#refusal = { at, why }
    this.#turnIfDue()
  }

  /** Tells the edge where to go on, once nothing of the old turn is on its way any more. */
  #turnIfDue(): void {
    if (!this.#refusal || this.#pending.length > 0) return
    const { on, target } = this.#options
    const { why } = this.#refusal
    this.#refusal = null
    this.#expected = this.#acknowledged
    if (!this.#closed) on.busy(target.stream, this.#expected, this.#turn, why)
  }
}

/** The key's name at the edge, and whose it is: no key of the core has such a name. */
export function sourceOf(source: string, edge: string): string {
  return `${source.slice(0, SOURCE_LENGTH_MAX)}@${edge}`
}

const letter = z.object({
  code: z.string(),
  path: z.string(),
  expected: z.string(),
  received: z.string(),
  message: z.string(),
  truncated: z.boolean(),
  raw: z.base64(),
})

function letterOf({ payload }: RelayEntry, source: string, receivedMs: number): DeadLetter {
  try {
    const { raw, ...rest } = letter.parse(JSON.parse(Buffer.from(payload).toString()))
    return { ...rest, raw: new Uint8Array(Buffer.from(raw, 'base64')), receivedMs, source }
  } catch (cause) {
    throw new OrreryError('bad_frame', 'a dead letter cannot be read', { cause })
  }
}

function notOfStream({ kind, offset }: RelayEntry, stream: StreamName): OrreryError {
  return new OrreryError('bad_frame', `offset ${offset} of the ${stream} holds ${kind}`)
}
