import { join } from 'node:path'

import type { Clock, Random } from '../../actors/kernel/clock.ts'
import type { Disk } from '../../actors/kernel/disk.ts'
import type { FrameKind } from '../../actors/kernel/entries.ts'
import { type Inlet, Intake } from '../../actors/kernel/intake.ts'
import { SegmentJournal } from '../../actors/kernel/segment-journal.ts'
import type { Log, Telemetry } from '../../actors/kernel/telemetry.ts'
import type { TripsIngest } from '../../actors/model/offer.ts'
import type { Ping } from '../../actors/model/ping.ts'
import type { Trip } from '../../actors/model/trip.ts'
import type { Ingest, PartHealth } from '../ports.ts'
import type { Dial } from './dial.ts'
import { EdgeFolder } from './edge-folder.ts'
import { Forwarder, type ForwarderLimits } from './forwarder.ts'
import { Outbox } from './outbox.ts'
import { STREAM_NAMES, type StreamName } from './protocol.ts'

export type EdgeOptions = Readonly<{
  /** Folder of the edge's journals and of its identity. */
  directory: string
  edge: string
  frames: Readonly<{ pings: FrameKind<Ping>; trips: FrameKind<Trip> }>
  dial: Dial
  disk: Disk
  clock: Clock
  random: Random
  newId: () => string
  log: Log
  telemetry: Telemetry
  /** Bytes of both journals at which senders are told busy. */
  bytesMax: number
  /** Age of the oldest message that no core has, at which senders are told busy; milliseconds. */
  ageMsMax: number
  waitingBytesMax?: number
  limits?: Partial<ForwarderLimits>
}>

/** The health of a part, with what a program can read of it. */
export type EdgeHealth = PartHealth &
  Readonly<{
    line: string
    sinceMs: number
    pings: number
    trips: number
    bytes: number
    oldestMs: number
  }>

/** The edge gateway's ways in, its journals and its line to the core. */
export type Edge = Readonly<{
  ingest: Ingest
  trips: TripsIngest
  forwarder: Forwarder
  outboxes: Readonly<{ pings: Outbox; trips: Outbox }>
  identity: string
  health(): Readonly<Record<'journal' | 'tripsJournal', PartHealth> & { upstream: EdgeHealth }>
  /** Takes nothing more, forwards for a while what is there, closes; true when a core has everything. */
  stop(withinMs: number): Promise<boolean>
}>

const MIB = 1024 * 1024
/** Partitions are for the journals' own check that nobody mixes them up. */
const PARTITIONS: Readonly<Record<StreamName, number>> = { pings: 0, trips: 1_000 }
const PER_TURN_MAX = 10_000
const RETRY_AFTER_MS = 2_000
const NOTE_EVERY_MS = 2_000

/** Opens an edge gateway's journals and begins to forward. */
export async function openEdge(options: EdgeOptions): Promise<Edge> {
  const { clock, log, frames, directory } = options
  const journals = {
    pings: await openJournal(options, 'pings'),
    trips: await openJournal(options, 'trips'),
  }
  const next = { pings: journals.pings.nextOffset, trips: journals.trips.nextOffset }
  const folder = EdgeFolder.open({ directory, next, newId: options.newId, log })
  const outboxOf = (name: StreamName): Outbox =>
    new Outbox({ journal: journals[name], clock, acknowledged: folder.acknowledged[name] })
  const outboxes = { pings: outboxOf('pings'), trips: outboxOf('trips') }
  const bounds = new Bounds(options, outboxes)
  const pings = intakeOf(options, outboxes.pings, frames.pings, bounds)
  const trips = intakeOf(options, outboxes.trips, frames.trips, bounds)
  const { identity } = folder
  const forwarder = new Forwarder({ ...options, identity, run: options.newId(), outboxes })
  let cancelNote = (): void => {}
  const note = (): Promise<void> =>
    folder.note({ pings: outboxes.pings.acknowledged, trips: outboxes.trips.acknowledged })
  const noteOften = (): void => {
    cancelNote = clock.after(NOTE_EVERY_MS, () => {
      void note()
      noteOften()
    })
  }
  noteOften()
  log.info({ edge: options.edge, identity, ...backlogs(outboxes) }, 'edge gateway opened')
  forwarder.start()
  return {
    // Whether a message is a repeat is found at the core.
    ingest: {
      offer: (offer, done) => pings.offer({ ...offer, countDuplicates: false }, done),
      refusal: () => pings.refusal(),
    },
    trips: {
      offer: (offer, done) => trips.offer({ ...offer, countDuplicates: false }, done),
      refusal: () => trips.refusal(),
      flush: (source, receivedMs, done) => trips.flush(source, receivedMs, done),
    },
    ...{ forwarder, outboxes, identity },
    health: () => healthOf(forwarder, outboxes, bounds),
    async stop(withinMs) {
      pings.stop()
      trips.stop()
      const isDone = await forwarder.stop(withinMs)
      cancelNote()
      await note()
      await Promise.all([outboxes.pings.close(), outboxes.trips.close()])
      return isDone
    },
  }
}

function openJournal(
  { directory, disk, clock, log, telemetry, bytesMax, waitingBytesMax }: EdgeOptions,
  name: StreamName,
): Promise<SegmentJournal> {
  return SegmentJournal.open({
    directory: join(directory, name),
    partition: PARTITIONS[name],
    ...{ disk, clock, log, telemetry: telemetry.labelled({ stream: name }) },
    // Whole segments are let go: of small ones less is kept that the core has.
    segmentBytesMax: Math.max(64 * 1024, Math.min(16 * MIB, Math.floor(bytesMax / 16))),
    waitingBytesMax: waitingBytesMax ?? 8 * MIB,
    groupBytesMax: MIB,
  })
}

function intakeOf<Message>(
  { clock, telemetry }: EdgeOptions,
  outbox: Outbox,
  frames: FrameKind<Message>,
  bounds: Bounds,
): Intake<Message> {
  return new Intake<Message>({
    ...{ journal: outbox, partition: NO_ACTORS, frames, clock, telemetry },
    limits: { backlogMax: Infinity, perTurnMax: PER_TURN_MAX, retryAfterMs: RETRY_AFTER_MS },
    overloaded: () => bounds.reached(),
  })
}

/** Nothing happens here with what is on disk: it is forwarded. */
const NO_ACTORS: Inlet<unknown> = {
  backlog: 0,
  enqueue(delivery) {
    if (delivery.kind === 'tide') delivery.applied?.()
  },
}

type Outboxes = Readonly<{ pings: Outbox; trips: Outbox }>

/** What may lie on this disk, and how long: beyond it senders are told, and nothing is dropped. */
class Bounds {
  readonly #options: EdgeOptions
  readonly #outboxes: Outboxes

  constructor(options: EdgeOptions, outboxes: Outboxes) {
    this.#options = options
    this.#outboxes = outboxes
    const gauge = (name: string, help: string) => options.telemetry.gauge(name, help)
    gauge('orrery_relay_bytes', 'Bytes of the edge journals').from(() => this.bytes)
    gauge('orrery_relay_bytes_max', 'Bytes at which senders are told busy').set(options.bytesMax)
  }

  get bytes(): number {
    return STREAM_NAMES.reduce((sum, name) => {
      const { bytesStored, bytesWaiting } = this.#outboxes[name]
      return sum + bytesStored + bytesWaiting
    }, 0)
  }

  get oldestMs(): number {
    return Math.max(...STREAM_NAMES.map((name) => this.#outboxes[name].ageMs()))
  }

  reached(): string | null {
    const { bytesMax, ageMsMax } = this.#options
    if (this.bytes >= bytesMax) return `no core has taken ${bytesMax} bytes that wait here`
    return this.oldestMs > ageMsMax ? 'no core has taken what waits here for too long' : null
  }
}

function backlogs({ pings, trips }: Outboxes) {
  return { pings: pings.backlog, trips: trips.backlog }
}

function healthOf(forwarder: Forwarder, outboxes: Outboxes, bounds: Bounds) {
  const { state, why, sinceMs } = forwarder.line
  const reached = bounds.reached()
  const { pings, trips } = backlogs(outboxes)
  const { oldestMs } = bounds
  const bytes = pings + trips === 0 ? 0 : bounds.bytes
  const waiting = `${pings} pings and ${trips} trips wait, the oldest for ${Math.round(oldestMs / 1_000)} s`
  const status: PartHealth['status'] =
    reached !== null ? 'unhealthy' : state === 'forwarding' ? 'healthy' : 'degraded'
  const detail = `${reached ?? why}; ${waiting}`
  return {
    journal: journalHealth(outboxes.pings, 'pings'),
    tripsJournal: journalHealth(outboxes.trips, 'trips'),
    upstream: { status, detail, line: state, sinceMs, pings, trips, bytes, oldestMs },
  }
}

function journalHealth({ refusing }: Outbox, what: string): PartHealth {
  if (refusing === null) return { status: 'healthy', detail: `takes ${what}` }
  if (refusing === 'busy') return { status: 'degraded', detail: 'the disk is behind' }
  const detail = refusing === 'full' ? 'no space left' : `the journal is ${refusing}`
  return { status: 'unhealthy', detail: `${detail}: nothing is taken` }
}
