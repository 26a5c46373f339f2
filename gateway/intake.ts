import type { Counter, Telemetry } from '../actors/kernel/telemetry.ts'
import type { Ping } from '../actors/model/ping.ts'
import type { ItemKind } from './item-kind.ts'
import { RateLimit, type TokenBucket } from './limits.ts'
import { type Message, readMessage, type Receipt } from './message.ts'
import type { GatewayOptions } from './options.ts'
import type { GatewayPorts, Ingest, NotTaken, OfferOutcome } from './ports.ts'

const SOURCES_MAX = 10_000

/** A sender's account at the intake: its key's name and its rate. */
export type Sender = Readonly<{ source: string; bucket: TokenBucket }>

/** What it needs of the world. */
export type IntakePorts<Item = Ping> = Pick<GatewayPorts, 'clock' | 'telemetry'> &
  Readonly<{ ingest: Ingest<Item> }>

/** The one path behind every way in of one kind: limit, read, offer, count. */
export class Intake<Item = Ping> {
  readonly kind: ItemKind<Item>
  readonly options: GatewayOptions
  readonly #ports: IntakePorts<Item>
  readonly #rates: RateLimit
  readonly #counters: Counters

  constructor(ports: IntakePorts<Item>, options: GatewayOptions, kind: ItemKind<Item>) {
    this.kind = kind
    this.#ports = ports
    this.options = options
    this.#rates = new RateLimit({
      perSecond: options.pingsPerSecondMax,
      capacity: options.pingsPerSecondMax * options.burstSecondsMax,
      namesMax: SOURCES_MAX,
    })
    this.#counters = new Counters(ports.telemetry, kind.noun)
  }

  sender(source: string): Sender {
    return { source, bucket: this.#rates.bucket(source, this.#ports.clock.monotonicMs()) }
  }

  /** Milliseconds that this sender has to wait, 0 when its next message may come. */
  waitMs({ bucket }: Sender): number {
    const waitMs = bucket.waitMs(this.#ports.clock.monotonicMs())
    if (waitMs > 0) this.#counters.rateLimited.add()
    return waitMs
  }

  /** What every message is told now without being read, or null: reading one costs more than to refuse it. */
  refusal(): NotTaken | null {
    const refusal = this.#ports.ingest.refusal?.() ?? null
    if (refusal) this.#counters.busy(refusal.code).add()
    return refusal
  }

  receipt({ source }: Sender): Receipt<Item> {
    const { kind, options: limits } = this
    return { kind, receivedMs: this.#ports.clock.nowMs(), source, limits }
  }

  read(input: string | Uint8Array, sender: Sender): Message<Item> {
    return readMessage(input, this.receipt(sender))
  }

  /** Offers a message; what is refused of it travels with it, so that it is on disk before the reply. */
  offer(
    message: Message<Item>,
    sender: Sender,
    done: (outcome: OfferOutcome) => void,
    countDuplicates = false,
  ): void {
    sender.bucket.take(message.items.length + message.refusedCount)
    const { receivedMs, items: messages, payload, deadLetters } = message
    this.#ports.ingest.offer(
      { source: sender.source, receivedMs, payload, messages, deadLetters, countDuplicates },
      (outcome) => {
        this.#count(message, outcome)
        done(outcome)
      },
    )
  }

  #count(message: Message<Item>, outcome: OfferOutcome): void {
    const counters = this.#counters
    if (!outcome.ok) {
      counters.busy(outcome.code).add()
      return
    }
    counters.messages.add()
    counters.accepted.add(message.items.length)
    for (const { code } of message.deadLetters) counters.refused(code).add()
  }
}

class Counters {
  readonly #telemetry: Telemetry
  readonly #noun: ItemKind<unknown>['noun']
  readonly messages: Counter
  readonly accepted: Counter
  readonly rateLimited: Counter

  constructor(telemetry: Telemetry, noun: ItemKind<unknown>['noun']) {
    this.#telemetry = telemetry
    this.#noun = noun
    const counter = (name: string, help: string): Counter => telemetry.counter(name, help)
    this.messages = counter('orrery_gateway_messages_total', 'Frames and bodies answered from disk')
    this.accepted = counter(
      `orrery_gateway_${noun}s_accepted_total`,
      `${titled(noun)}s acknowledged`,
    )
    this.rateLimited = counter(
      'orrery_gateway_rate_limited_total',
      'Messages refused for their rate',
    )
  }

  refused(code: string): Counter {
    return this.#telemetry.counter(
      `orrery_gateway_${this.#noun}s_refused_total`,
      `${titled(this.#noun)}s refused, by reason`,
      {
        code,
      },
    )
  }

  busy(code: string): Counter {
    return this.#telemetry.counter(
      'orrery_gateway_not_taken_total',
      'Messages answered busy, by reason',
      { code },
    )
  }
}

function titled(noun: string): string {
  return noun.charAt(0).toUpperCase() + noun.slice(1)
}
