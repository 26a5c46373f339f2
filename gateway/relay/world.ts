import { type Random, seededRandom, VirtualClock } from '../../actors/kernel/clock.ts'
import type { FrameKind } from '../../actors/kernel/entries.ts'
import { Intake } from '../../actors/kernel/intake.ts'
import { MemoryDisk } from '../../actors/kernel/memory-disk.ts'
import { SegmentJournal } from '../../actors/kernel/segment-journal.ts'
import { silentLog, Telemetry } from '../../actors/kernel/telemetry.ts'
import type { DeadLetter } from '../../actors/model/fact.ts'
import type { Ping } from '../../actors/model/ping.ts'
import { Forwarder } from './forwarder.ts'
import { Outbox } from './outbox.ts'
import { EmbeddedCore, KafkaCore, type WorldCore } from './world-cores.ts'
import { LifeClock, WorldLine } from './world-line.ts'

const FRAMES: FrameKind<Ping> = { kind: 'pings', parse: (value) => value as Ping }
const STEPS = 120
const SESSIONS = 5

export type Profile = 'embedded' | 'kafka' | 'kafka frames'

/** What a trial came to. */
export type Outcome = Readonly<{
  acknowledged: ReadonlySet<string>
  /** Offered, and the edge died before it answered: may be there, once. */
  uncertain: ReadonlySet<string>
  kept: readonly string[]
  lines: number
}>

type EdgeLife = Readonly<{ clock: LifeClock; forwarder: Forwarder; intake: Intake<Ping> }>

/** An edge, a core and the line between them, through random faults in virtual time; a seed repeats all of it. */
export class RelayWorld {
  readonly #random: Random
  readonly #clock = new VirtualClock()
  readonly #core: WorldCore
  readonly #disk: MemoryDisk
  readonly #acknowledged = new Set<string>()
  readonly #uncertain = new Set<string>()
  readonly #lines = new Set<WorldLine>()
  #edge: EdgeLife | null = null
  #outbox: Outbox | null = null
  #noted = 0
  #marks = 0
  #runs = 0
  #lineCount = 0

  constructor(seed: number, profile: Profile) {
    this.#random = seededRandom(seed)
    const world = { clock: this.#clock, random: this.#random }
    this.#core =
      profile === 'embedded'
        ? new EmbeddedCore(world)
        : new KafkaCore(world, profile === 'kafka' ? 'single' : 'frame')
    this.#disk = new MemoryDisk({
      random: this.#random,
      pause: () => new Promise((resolve) => this.#clock.after(this.#below(4), resolve)),
    })
  }

  async run(): Promise<Outcome> {
    await this.#drive(this.#startAll())
    for (let step = 0; step < STEPS; step++) await this.#step(this.#random())
    this.#core.setBusy(false)
    await this.#drive(this.#startAll())
    // What was offered last is on disk by then.
    await this.#clock.advanceMs(1_000)
    for (let waits = 0; waits < 600 && !this.#isForwarded(); waits++)
      await this.#clock.advanceMs(1_000)
    if (!this.#isForwarded())
      throw new Error(`stuck: ${JSON.stringify(this.#edge?.forwarder.line)}`)
    for (let process = 0; process < this.#core.processes; process++) this.#core.kill(process)
    const kept = await this.#drive(this.#core.kept())
    return {
      ...{ acknowledged: this.#acknowledged, uncertain: this.#uncertain, kept },
      lines: this.#lineCount,
    }
  }

  async #step(luck: number): Promise<void> {
    const process = this.#below(this.#core.processes)
    if (luck < 0.45) this.#offer()
    else if (luck < 0.75)
      await this.#clock.advanceMs(this.#below(this.#random() < 0.1 ? 30_000 : 120))
    else if (luck < 0.8) this.#cut()
    else if (luck < 0.83) for (const line of this.#lines) line.die()
    else if (luck < 0.88) this.#core.setBusy(this.#random() < 0.5)
    else if (luck < 0.92) this.#core.step(this.#random())
    else if (luck < 0.94) this.#noted = this.#outbox?.acknowledged ?? 0
    else if (luck < 0.97) await this.#restartEdge()
    else {
      if (this.#core.isUp(process)) {
        this.#core.kill(process)
        // Which of the two a line goes to is not kept: the other one's lines end too.
        for (const line of this.#lines) line.processGone('core')
      }
      await this.#clock.advanceMs(this.#below(500))
      if (!this.#core.isUp(process)) await this.#drive(this.#core.start(process))
    }
  }

  async #startAll(): Promise<void> {
    for (let process = 0; process < this.#core.processes; process++) {
      if (!this.#core.isUp(process)) await this.#core.start(process)
    }
    if (!this.#edge) await this.#startEdge()
  }

  #isForwarded(): boolean {
    return this.#outbox?.backlog === 0
  }

  #offer(): void {
    const { intake } = this.#edge ?? {}
    if (!intake) return
    const own: string[] = []
    const next = (): string => {
      const mark = `p${this.#marks++}`
      own.push(mark)
      return mark
    }
    const texts = Array.from({ length: this.#below(5) }, () =>
      pingText(next(), this.#below(SESSIONS)),
    )
    const letters = texts.length === 0 || this.#random() < 0.1 ? [letterOf(next())] : []
    const messages = texts.map((text) => JSON.parse(text) as Ping)
    const at = { source: 'van', receivedMs: this.#clock.nowMs(), countDuplicates: false }
    const payload = texts.join('\n')
    for (const mark of own) this.#uncertain.add(mark)
    intake.offer({ ...at, payload, messages, deadLetters: letters }, ({ ok }) => {
      if (!ok) return
      for (const mark of own) {
        this.#uncertain.delete(mark)
        this.#acknowledged.add(mark)
      }
    })
  }

  #cut(): void {
    for (const line of this.#lines) line.cut(this.#random() < 0.5)
    this.#lines.clear()
  }

  async #restartEdge(): Promise<void> {
    if (this.#edge) this.#edge.clock.isAlive = false
    this.#edge = null
    for (const line of this.#lines) line.processGone('edge')
    this.#lines.clear()
    if (this.#random() < 0.5) this.#disk.crash()
    else this.#disk.kill()
    await this.#clock.advanceMs(this.#below(200))
    await this.#drive(this.#startEdge())
  }

  async #startEdge(): Promise<void> {
    const clock = new LifeClock(this.#clock)
    const telemetry = new Telemetry()
    const shared = { clock, log: silentLog, telemetry, random: this.#random }
    const journal = await SegmentJournal.open({
      ...{ ...shared, directory: '/edge', partition: 0, disk: this.#disk.mount() },
      ...{ segmentBytesMax: 8_192, reserveBytes: 0 },
    })
    const outbox = new Outbox({ journal, clock, acknowledged: this.#noted, tailBytesMax: 1_024 })
    this.#outbox = outbox
    const nobody = { backlog: 0, enqueue: () => {} }
    const intake = new Intake<Ping>({
      ...{ journal: outbox, partition: nobody, frames: FRAMES, clock, telemetry },
      limits: { backlogMax: Infinity, retryAfterMs: 100 },
    })
    const trips = new Outbox({ journal: emptyJournal, clock, acknowledged: 0 })
    const forwarder = new Forwarder({
      ...{ ...shared, edge: 'depot', identity: 'folder-1', run: `run-${this.#runs++}` },
      outboxes: { pings: outbox, trips },
      dial: (events) => this.#dial(events),
    })
    this.#edge = { clock, forwarder, intake }
    forwarder.start()
  }

  #dial(events: ConstructorParameters<typeof WorldLine>[1]) {
    this.#lineCount++
    const process = this.#below(this.#core.processes)
    const line = new WorldLine(this.#clock, events, this.#core.accept(process), 1 + this.#below(30))
    this.#lines.add(line)
    return line.edgeEnd
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit)
  }

  /** Lets time pass until it is done. */
  async #drive<Value>(work: Promise<Value>): Promise<Value> {
    let isDone = false
    void work.then(
      () => (isDone = true),
      () => (isDone = true),
    )
    while (!isDone) await this.#clock.advanceMs(5)
    return work
  }
}

/** Of trips nothing is said in this world. */
const emptyJournal = {
  ...{ partition: 1_000, firstOffset: 0, nextOffset: 0, bytesWaiting: 0, bytesStored: 0 },
  ...{ refusing: null, append: () => false },
  async *read() {},
  async *readBatches() {},
  trim: () => Promise.resolve(),
  close: () => Promise.resolve(),
}

function pingText(mark: string, session: number): string {
  const place = { lat: 38, lon: 23 }
  return JSON.stringify({
    ...{ device_id: 'd', vehicle_id: 'v', order_id: mark, session_id: `s${session}` },
    ...{ status: 'en_route', timestamp: '2026-09-21T12:00:00Z' },
    ...{ start_lat: place.lat, start_lon: place.lon, end_lat: 39, end_lon: 24 },
    ...{ current_lat: place.lat, current_lon: place.lon },
  })
}

function letterOf(mark: string): DeadLetter {
  return {
    ...{ code: 'invalid_json', path: '', expected: 'JSON', received: 'x', message: 'no JSON' },
    ...{ raw: new Uint8Array(Buffer.from(mark)), truncated: false, receivedMs: 7, source: 'van' },
  }
}
