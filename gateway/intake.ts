import type { Counter, Telemetry } from '../actors/kernel/telemetry.ts'
import { RateLimit, type TokenBucket } from './limits.ts'
import { type Message, readMessage, type Receipt } from './message.ts'
import type { GatewayOptions } from './options.ts'
import type { GatewayPorts, NotTaken, OfferOutcome } from './ports.ts'

const SOURCES_MAX = 10_000

/** A sender's account at the intake: its key's name and its rate. */
export type Sender = Readonly<{ source: string; bucket: TokenBucket }>

/** What it needs of the world. */
export type IntakePorts = Pick<GatewayPorts, 'ingest' | 'clock' | 'telemetry'>

/** The one path behind every way in: limit, read, offer, count. */
export class Intake {
  readonly options: GatewayOptions
  readonly #ports: IntakePorts
  readonly #rates: RateLimit
  readonly #counters: Counters

  constructor(ports: IntakePorts, options: GatewayOptions) {
    this.#ports = ports
    this.options = options
    this.#rates = new RateLimit({
      perSecond: options.pingsPerSecondMax,
      capacity: options.pingsPerSecondMax * options.burstSecondsMax,
      namesMax: SOURCES_MAX,
    })
    this.#counters = new Counters(ports.telemetry)
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

  receipt({ source }: Sender): Receipt {
    return { receivedMs: this.#ports.clock.nowMs(), source, limits: this.options }
  }

  read(input: string | Uint8Array, sender: Sender): Message {
    return readMessage(input, this.receipt(sender))
  }

  /** Offers a message; its refused pings travel with it, so that they are on disk before the reply. */
  offer(
    message: Message,
    sender: Sender,
    done: (outcome: OfferOutcome) => void,
    countDuplicates = false,
  ): void {
    sender.bucket.take(message.pings.length + message.refusedCount)
    const { receivedMs, pings, payload, deadLetters } = message
    this.#ports.ingest.offer(
      { source: sender.source, receivedMs, payload, messages: pings, deadLetters, countDuplicates },
      (outcome) => {
        this.#count(message, outcome)
        done(outcome)
      },
    )
  }

  #count(message: Message, outcome: OfferOutcome): void {
    const counters = this.#counters
    if (!outcome.ok) {
      counters.busy(outcome.code).add()
      return
    }
    counters.messages.add()
    counters.accepted.add(message.pings.length)
    for (const { code } of message.deadLetters) counters.refused(code).add()
  }
}

class Counters {
  readonly #telemetry: Telemetry
  readonly messages: Counter
  readonly accepted: Counter
  readonly rateLimited: Counter

  constructor(telemetry: Telemetry) {
    this.#telemetry = telemetry
    const counter = (name: string, help: string): Counter => telemetry.counter(name, help)
    this.messages = counter('orrery_gateway_messages_total', 'Frames and bodies answered from disk')
    this.accepted = counter('orrery_gateway_pings_accepted_total', 'Pings acknowledged')
    this.rateLimited = counter(
      'orrery_gateway_rate_limited_total',
      'Messages refused for their rate',
    )
  }

  refused(code: string): Counter {
    return this.#telemetry.counter(
      'orrery_gateway_pings_refused_total',
      'Pings refused, by reason',
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
