import { join } from 'node:path'

import type { Clock } from '../../../actors/kernel/clock.ts'
import { seededRandom } from '../../../actors/kernel/clock.ts'
import { createFleet } from '../../fleet.ts'
import { TripMaker } from '../../trips.ts'
import { Clients, type ClientSpec, type ClientSums, RATE_HZ } from '../clients.ts'
import type { Cluster } from './cluster.ts'
import { Poster, type PosterSums } from './poster.ts'

const REGIONS = 20
const TRIPS_PER_S = 40
/** Event times lie up to so far back: well within what a window waits for. */
const TRIP_DISORDER_MS = 30_000
/** Of the rate, what goes in frames of one ping and in posts; frames of many carry the rest. */
const SHARE_OF_ONES = 0.1
const SHARE_OF_POSTS = 0.1
const END_MS_MAX = 60_000

export type LoadOptions = Readonly<{
  cluster: Cluster
  root: string
  seed: number
  /** Pings a second, all clients together. */
  rate: number
  clock: Clock
}>

/** What became of everything that was sent. */
export type LoadSums = Readonly<{
  clients: ClientSums
  posts: PosterSums
  trips: PosterSums
  /** Made and never acknowledged nor refused. */
  left: number
}>

/** Clients of every kind, to every gateway, each with a record of what was acknowledged. */
export class Load {
  readonly #clients: Clients
  readonly #posts: Poster
  readonly #trips: Poster

  private constructor(clients: Clients, posts: Poster, trips: Poster) {
    this.#clients = clients
    this.#posts = posts
    this.#trips = trips
  }

  static start({ cluster, root, seed, rate, clock }: LoadOptions): Load {
    const { key } = cluster
    const gateways = cluster.of('gateway').map(({ name }) => cluster.door(name))
    const doors = [...gateways, ...cluster.of('edge').map(({ name }) => cluster.door(name))]
    const vehicles = (share: number): number => Math.max(2, Math.round((rate * share) / RATE_HZ))
    const [first = ''] = gateways
    const each = (1 - SHARE_OF_ONES - SHARE_OF_POSTS) / doors.length
    const specs: readonly ClientSpec[] = [
      { name: 'ones', url: first, vehicles: vehicles(SHARE_OF_ONES), frame: 1, sockets: 8 },
      ...doors.map((url, index) => ({
        ...{ name: `frames-${index + 1}`, url, vehicles: vehicles(each), frame: 50, sockets: 4 },
      })),
    ]
    const random = seededRandom(seed ^ 0x905)
    const common = { urls: gateways, key, clock, random }
    const fleet = createFleet({
      ...{ vehicles: vehicles(SHARE_OF_POSTS), seed: seed + 100, rateHz: RATE_HZ },
      ...{ speed: 60, run: `crashtest-${seed}-posts`, noiseM: 3 },
    })
    const posts = new Poster({
      ...common,
      path: '/ingest',
      make: (nowMs) => fleet.step(nowMs).map((ping) => JSON.stringify(ping)),
      recordFile: join(root, 'posts.acknowledged.ndjson'),
      everyMs: 250,
    })
    const trips = new Poster({
      ...common,
      path: '/ingest/trips',
      make: tripsOf(seed),
      recordFile: join(root, 'trips.acknowledged.ndjson'),
      everyMs: 500,
    })
    return new Load(Clients.of({ key, root, seed }, specs), posts, trips)
  }

  /** Files with pings that were acknowledged, one a line. */
  get pingRecords(): readonly string[] {
    return [...this.#clients.records, this.#posts.record]
  }

  get tripRecord(): string {
    return this.#trips.record
  }

  get running(): boolean {
    return this.#clients.running
  }

  /** Acknowledged so far by posts, and the longest that one took. */
  get posts(): PosterSums {
    return this.#posts.sums
  }

  connected(): Promise<void> {
    return this.#clients.connected()
  }

  /** Lets everybody send what was not acknowledged, and end. */
  async finish(): Promise<LoadSums> {
    const [clients, leftPosts, leftTrips] = await Promise.all([
      this.#clients.finish(),
      this.#posts.finish(END_MS_MAX),
      this.#trips.finish(END_MS_MAX),
    ])
    const left = clients.unacknowledged + leftPosts + leftTrips
    return { clients, posts: this.#posts.sums, trips: this.#trips.sums, left }
  }

  async kill(): Promise<void> {
    await Promise.all([this.#clients.kill(), this.#posts.finish(0), this.#trips.finish(0)])
  }
}

/** Trips that happen about now, each region's in some disorder. */
function tripsOf(seed: number): (nowMs: number) => readonly string[] {
  const maker = new TripMaker(seed, REGIONS)
  let doneMs: number | null = null
  let made = 0
  return (nowMs) => {
    doneMs ??= nowMs
    // A pause is not made up for: those trips were not.
    const dueS = Math.min(5, (nowMs - doneMs) / 1_000)
    const count = Math.floor(dueS * TRIPS_PER_S)
    if (count > 0) doneMs = nowMs
    return Array.from({ length: count }, () => {
      const atMs = Math.floor(nowMs - maker.random() * TRIP_DISORDER_MS)
      return JSON.stringify(maker.make(`trip_${seed}_${made++}`, atMs))
    })
  }
}
