import type { KafkaIntake } from '../actors/kafka/intake.ts'
import { Telemetry } from '../actors/kernel/telemetry.ts'
import type { Ping } from '../actors/model/ping.ts'
import type { Wire } from '../gateway/conversation.ts'
import type { Node } from './scaled-world-node.ts'
import { type NodeOptions, openIntake } from './scaled-world-worker.ts'
import type { Server } from './world-client.ts'
import { Door } from './world-door.ts'
import type { Peer } from './world-link.ts'

/** One gateway process: sockets in, the topic out. */
export class SimGateway implements Server {
  readonly node: Node
  readonly #options: NodeOptions
  #intake: KafkaIntake<Ping> | null = null
  #door: Door | null = null
  isStopping = false

  constructor(options: NodeOptions) {
    this.node = options.node
    this.#options = options
  }

  get mortal(): Node {
    return this.node
  }

  get listening(): boolean {
    return this.#door !== null && !this.isStopping && !this.node.dead
  }

  async start(): Promise<void> {
    this.#intake = await openIntake(this.#options)
    this.#door = new Door(this.node, { ingest: this.#intake, telemetry: new Telemetry() })
  }

  accept(wire: Wire, keyed: boolean): Peer {
    if (!this.#door) throw new Error('nobody listens')
    return this.#door.accept(wire, keyed)
  }

  post(text: string, answer: (reply: string) => void): void {
    this.#door?.post(text, answer)
  }

  /** Refuses what comes, and waits for what was taken. */
  async stop(withinMs: number): Promise<void> {
    this.isStopping = true
    this.#door?.stop()
    this.#intake?.stop()
    await new Promise<void>((resolve) => void this.node.clock.after(withinMs, resolve))
  }
}
