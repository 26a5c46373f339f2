import type { Telemetry } from '../actors/kernel/telemetry.ts'
import type { Ingest } from '../actors/model/offer.ts'
import { type Around, Conversation, type Wire } from '../gateway/conversation.ts'
import { Intake as GatewayIntake } from '../gateway/intake.ts'
import { PINGS } from '../gateway/item-kind.ts'
import { GATEWAY_DEFAULTS } from '../gateway/options.ts'
import { replyTo } from '../gateway/replies.ts'
import { SIM_KEY } from './world-client.ts'
import type { Mortal } from './world-gate.ts'
import type { Peer } from './world-link.ts'

const SOURCE = 'simulation'

/** The gateway of one process without its sockets. */
export class Door {
  readonly #mortal: Mortal
  readonly #around: Around
  readonly #conversations = new Set<Conversation>()
  #toFlush: Conversation[] = []

  constructor(
    mortal: Mortal,
    { ingest, telemetry }: Readonly<{ ingest: Ingest; telemetry: Telemetry }>,
  ) {
    const { clock } = mortal
    this.#mortal = mortal
    this.#around = {
      intake: new GatewayIntake({ ingest, clock, telemetry }, GATEWAY_DEFAULTS, PINGS),
      clock,
      options: GATEWAY_DEFAULTS,
      nameOf: (key) => (key === SIM_KEY ? SOURCE : null),
      flushSoon: (conversation) => this.#flushSoon(conversation),
      onRefusedKey: () => {},
    }
  }

  accept(wire: Wire, keyed: boolean): Peer {
    const conversation = new Conversation(wire, this.#around, keyed ? SOURCE : null)
    this.#conversations.add(conversation)
    return {
      receive: (data) => conversation.receive(data),
      drained: () => conversation.drained(),
      closed: () => {
        conversation.closed()
        this.#conversations.delete(conversation)
      },
    }
  }

  post(text: string, answer: (reply: string) => void): void {
    const { intake } = this.#around
    const sender = intake.sender(SOURCE)
    const message = intake.read(text, sender)
    const done = (outcome: Parameters<typeof replyTo>[1]): void => {
      this.#mortal.pass('wire.reply', 'before')
      if (!this.#mortal.dead) answer(replyTo(message, outcome))
    }
    intake.offer(message, sender, done, true)
  }

  /** Takes nothing new; what was taken is still answered. */
  stop(): void {
    for (const conversation of this.#conversations) conversation.stop()
  }

  #flushSoon(conversation: Conversation): void {
    if (conversation.flushing) return
    conversation.flushing = true
    if (this.#toFlush.push(conversation) > 1) return
    queueMicrotask(() => {
      for (const due of this.#toFlush.splice(0)) {
        due.flushing = false
        if (!this.#mortal.dead) due.flush()
      }
    })
  }
}
