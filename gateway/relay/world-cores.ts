import { KafkaIntake } from '../../actors/kafka/intake.ts'
import { MemoryBroker } from '../../actors/kafka/memory-broker.ts'
import type { ProducerSource } from '../../actors/kafka/producer.ts'
import { KafkaWriter } from '../../actors/kafka/writer.ts'
import type { Clock, Random } from '../../actors/kernel/clock.ts'
import { deliveryOf, type FrameKind } from '../../actors/kernel/entries.ts'
import { Intake } from '../../actors/kernel/intake.ts'
import { MemoryDisk } from '../../actors/kernel/memory-disk.ts'
import { Relays } from '../../actors/kernel/relays.ts'
import { Replay } from '../../actors/kernel/replay.ts'
import { SegmentJournal } from '../../actors/kernel/segment-journal.ts'
import { silentLog, Telemetry } from '../../actors/kernel/telemetry.ts'
import { frameValues } from '../../actors/model/frame.ts'
import type { Ingest } from '../../actors/model/offer.ts'
import type { Ping } from '../../actors/model/ping.ts'
import { PINGS } from '../item-kind.ts'
import { GATEWAY_DEFAULTS } from '../options.ts'
import { CoreConnection, RELAY_LIMITS } from './core-connection.ts'
import { Edges } from './edges.ts'
import { JournalPositions, RelayHints, type RelayPositions } from './positions.ts'
import { type Accept, LifeClock } from './world-line.ts'

const FRAMES: FrameKind<Ping> = { kind: 'pings', parse: (value) => value as Ping }

/** A core of a test's world: processes that accept edges, and one journal behind them. */
export interface WorldCore {
  /** How many processes accept connections. */
  readonly processes: number
  accept(process: number): Accept
  /** Starts a process that is not there. */
  start(process: number): Promise<void>
  isUp(process: number): boolean
  /** Ends it at once. */
  kill(process: number): void
  /** Tells senders busy, or not any more. */
  setBusy(isBusy: boolean): void
  /** Something that a core does now and then. */
  step(luck: number): void
  /** Marks of all pings and dead letters that its readers take, in the order of its journal. */
  kept(): Promise<readonly string[]>
}

type World = Readonly<{ clock: Clock; random: Random }>

/** What a ping of these tests is known by. */
export function markOf(value: unknown): string {
  const mark = typeof value === 'object' && value && 'order_id' in value ? value.order_id : ''
  return String(mark)
}

function acceptBy(clock: LifeClock, ingest: Ingest<Ping>, positions: RelayPositions): Accept {
  const telemetry = new Telemetry()
  const counter = telemetry.counter('any', '')
  const edges = new Edges(clock)
  const tripsIngest: Ingest<never> = { offer: () => {} }
  const trips = { stream: 'trips', ingest: tripsIngest, positions: new RelayHints() } as const
  return (wire) => {
    if (!clock.isAlive) return null
    return new CoreConnection(wire, {
      pings: { stream: 'pings', kind: PINGS, ingest, positions },
      // Nothing is said of trips here; the code is the same.
      trips: {
        ...trips,
        kind: { noun: 'trip', columns: null, parse: () => ({ ok: false, refusals: [] }) },
      },
      ...{ edges, options: { ...GATEWAY_DEFAULTS, frameBytesMax: 2_048 }, limits: RELAY_LIMITS },
      ...{
        clock,
        log: silentLog,
        counters: { messages: counter, repeats: counter, refused: counter },
      },
    })
  }
}

/** One process with its journal on a disk. */
export class EmbeddedCore implements WorldCore {
  readonly processes = 1
  readonly #world: World
  readonly #disk: MemoryDisk
  #life: LifeClock
  #accept: Accept = () => null
  #journal: SegmentJournal | null = null
  #relays: Relays<Ping> | null = null
  /** The newest checkpoint: its note, and the offset that a replay begins with. */
  #note = ''
  #from = 0
  #isBusy = false

  constructor(world: World) {
    this.#world = world
    this.#life = new LifeClock(world.clock)
    this.#life.isAlive = false
    this.#disk = new MemoryDisk({
      random: world.random,
      pause: () =>
        // Now and then longer than an edge needs to come again.
        new Promise((resolve) => {
          const ms = world.random() < 0.03 ? world.random() * 3_000 : Math.floor(world.random() * 4)
          world.clock.after(ms, resolve)
        }),
    })
  }

  isUp(): boolean {
    return this.#life.isAlive
  }

  accept(): Accept {
    return (wire) => this.#accept(wire)
  }

  async start(): Promise<void> {
    const clock = new LifeClock(this.#world.clock)
    this.#life = clock
    const journal = await this.#open(clock)
    if (!clock.isAlive) return
    this.#journal = journal
    const actors = { backlog: 0, enqueue: () => {}, handled: () => Promise.resolve() }
    const relays = Relays.before<Ping>(this.#note, () => ({ inlet: actors }))
    this.#relays = relays
    const parts = { journal, frames: FRAMES, clock }
    const replay = new Replay(
      { ...parts, partition: relays, log: silentLog },
      { replayFrom: this.#from, checkpoint: -1 },
    )
    const intake = new Intake<Ping>({
      ...{ ...parts, partition: replay, telemetry: new Telemetry() },
      limits: { backlogMax: 1_000_000, retryAfterMs: 50 },
      overloaded: () => (this.#isBusy ? 'busy' : null),
    })
    const positions = new JournalPositions(relays, () => replay.behind === 0)
    this.#accept = acceptBy(clock, intake, positions)
    // A long one: edges come before it is done.
    await new Promise<void>((resolve) => clock.after(this.#world.random() * 1_500, resolve))
    await replay.run()
  }

  kill(): void {
    this.#life.isAlive = false
    this.#accept = () => null
    if (this.#world.random() < 0.5) this.#disk.crash()
    else this.#disk.kill()
  }

  setBusy(isBusy: boolean): void {
    this.#isBusy = isBusy
  }

  /** The disk fails once; or a checkpoint: a restart goes on from here, with this note. */
  step(luck: number): void {
    if (luck < 0.3) return this.#disk.failNext('sync', { code: luck < 0.15 ? 'EIO' : 'ENOSPC' })
    if (!this.#journal || !this.#relays || !this.isUp()) return
    this.#from = this.#journal.nextOffset
    this.#note = this.#relays.noteAt(this.#from - 1)
  }

  async kept(): Promise<readonly string[]> {
    const marks: string[] = []
    for await (const record of (await this.#open(this.#world.clock)).read(0)) {
      const delivery = deliveryOf(record, 0, FRAMES)
      if (delivery.kind === 'messages') marks.push(...delivery.messages.map(markOf))
      if (delivery.kind === 'fact' && delivery.fact.kind === 'dead_letter') {
        marks.push(Buffer.from(delivery.fact.raw).toString())
      }
    }
    return marks
  }

  #open(clock: Clock): Promise<SegmentJournal> {
    return SegmentJournal.open({
      ...{ directory: '/core', partition: 0, disk: this.#disk.mount(), clock },
      ...{
        log: silentLog,
        telemetry: new Telemetry(),
        random: this.#world.random,
        reserveBytes: 0,
      },
      segmentBytesMax: 16_384,
    })
  }
}

/** Several gateways over one topic, whose readers leave out what comes twice. */
export class KafkaCore implements WorldCore {
  readonly processes = 2
  readonly #world: World
  readonly #broker = new MemoryBroker()
  readonly #form: 'single' | 'frame'
  readonly #lives: (LifeClock | null)[] = [null, null]
  readonly #accepts: Accept[] = []
  #starts = 0
  #isBusy = false

  constructor(world: World, form: 'single' | 'frame') {
    this.#world = world
    this.#form = form
  }

  isUp(process: number): boolean {
    return this.#lives[process]?.isAlive ?? false
  }

  accept(process: number): Accept {
    return (wire) => this.#accepts[process]?.(wire) ?? null
  }

  async start(process: number): Promise<void> {
    const clock = new LifeClock(this.#world.clock)
    this.#lives[process] = clock
    const telemetry = new Telemetry()
    const { random } = this.#world
    const writer = await KafkaWriter.open({
      ...{ source: this.#slow(), sender: `g${this.#starts++}`, clock, random, telemetry },
      ...{ log: silentLog, lingerMs: 2 },
    })
    const intake = new KafkaIntake<Ping>({
      ...{ writer, frames: FRAMES, keyOf: ({ sessionId }) => sessionId, form: this.#form },
      ...{ clock, log: silentLog, telemetry, limits: { retryAfterMs: 50 } },
      overloaded: () => (this.#isBusy && random() < 0.5 ? 'busy' : null),
    })
    this.#accepts[process] = acceptBy(clock, intake, new RelayHints())
  }

  kill(process: number): void {
    const life = this.#lives[process]
    if (life) life.isAlive = false
  }

  setBusy(isBusy: boolean): void {
    this.#isBusy = isBusy
  }

  step(luck: number): void {
    this.#broker.faults.push(luck < 0.5 ? 'lost answer' : 'lost request')
  }

  async kept(): Promise<readonly string[]> {
    const marks: string[] = []
    for (const partition of this.#broker.log.keys()) {
      for (const { value, stamp } of this.#broker.keptRecords(partition)) {
        const [, kind, count] = stamp.split(';')
        if (kind === 'pings') marks.push(...(frameValues(value, Number(count)) ?? []).map(markOf))
        else {
          const { raw } = JSON.parse(value.toString()) as { raw: string }
          marks.push(Buffer.from(raw, 'base64').toString())
        }
      }
    }
    return marks
  }

  /** What was sent may land long after, when its sender is gone and another has written. */
  #slow(): ProducerSource {
    const { clock, random } = this.#world
    const broker = this.#broker
    return {
      topic: broker.topic,
      partitions: () => broker.partitions(),
      async open() {
        const producer = await broker.open()
        return {
          async send(records) {
            const ms = random() < 0.1 ? random() * 3_000 : random() * 20
            await new Promise<void>((resolve) => clock.after(ms, resolve))
            return producer.send(records)
          },
          close: () => producer.close(),
        }
      },
    }
  }
}
