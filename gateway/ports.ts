import type { Sequenced, SequencedDelta } from '../actors/feed/ring.ts'
import type { Clock } from '../actors/kernel/clock.ts'
import type { Log, Telemetry } from '../actors/kernel/telemetry.ts'
import type {
  DeadLetterFilter,
  DeadLetterRow,
  OpenDeadLetters,
  StoredDeadLetter,
} from '../actors/model/dead-letter.ts'
import type { FactName } from '../actors/model/fact.ts'
import type { RegionsDelta, RegionsSnapshot } from '../actors/model/live-regions.ts'
import type { LiveDelta, LiveKpi, LiveSnapshot } from '../actors/model/live.ts'
import type { Ingest, NotTaken, Offer, OfferOutcome, TripsIngest } from '../actors/model/offer.ts'
import type { RegionMap } from '../actors/model/region-map.ts'
import type {
  RegionWindow,
  WindowRange,
  WindowReader,
  WindowSizeS,
} from '../actors/model/window.ts'
import type { RelayPositions } from './relay/positions.ts'

export type { DeadLetterFilter, DeadLetterRow, Ingest, NotTaken, Offer, OfferOutcome, TripsIngest }

/** Who may do what. Keys and passwords are compared by hash, in constant time. */
export interface Accounts {
  /** The name of an ingest key, or null. */
  verifyKey(key: string): string | null
  /** True when the admin password fits. */
  verifyPassword(password: string): Promise<boolean>
  /** A new browser session; the token is shown once. */
  signIn(): string
  verifySession(token: string): boolean
  signOut(token: string): void
}

export type { Sequenced, SequencedDelta, WindowReader }

/** A source of numbered deltas: what a stream of server-sent events is made of. */
export interface DeltaFeed<Snapshot, Delta, On> {
  readonly epoch: string
  /** Sequence number of the newest delta. */
  readonly seq: number
  snapshot(): Snapshot
  /** Deltas after `seq`, or null when they are no longer held (then a snapshot is due). */
  since(seq: number): readonly Sequenced<Delta>[] | null
  /** Calls on everything new; the result unsubscribes. */
  subscribe(on: On): () => void
}

/** Who listens may say that nobody is there now: then no deltas need be made. */
export type Watching = Readonly<{ watching?: () => boolean }>

/** The live map's source. */
export type LiveFeed = DeltaFeed<
  LiveSnapshot,
  LiveDelta,
  { delta(next: SequencedDelta): void; kpi(kpi: LiveKpi): void } & Watching
>

/** The regions page's source. */
export type RegionsFeed = DeltaFeed<
  RegionsSnapshot,
  RegionsDelta,
  { delta(next: Sequenced<RegionsDelta>): void } & Watching
>

/** Windows that the store no longer serves, as the clean tables have them. */
export interface WindowHistory {
  /** Oldest first. */
  range(range: WindowRange): Promise<readonly RegionWindow[]>
  /** Every region's window of one start. */
  atStart(sizeS: WindowSizeS, startMs: number): Promise<readonly RegionWindow[]>
  /** The start of the newest window of a size, of whatever region. */
  newestStartMs(sizeS: WindowSizeS): Promise<number | null>
}

/** Windows over deliveries, by start. */
export type DeliveriesRange = Readonly<{
  sizeS: WindowSizeS
  /** First start, inclusive, and last start, inclusive; milliseconds since 1970 UTC. */
  fromMs: number
  toMs: number
  /** The newest so many rows. */
  limit: number
  /** All of them when it is absent. */
  regionId?: number
}>

/** Deliveries of a region in one window, from their pings. */
export type DeliveryWindow = Readonly<{
  regionId: number
  startMs: number
  sizeS: number
  /** Sessions with a ping in it. */
  active: number
  started: number
  completed: number
  /** Null when nothing moved. */
  meanSpeedKmh: number | null
  distanceKm: number
  /** No ping that is on time can change it any more. */
  final: boolean
}>

/** One point of a session's track, oldest first. */
export type TrailPoint = Readonly<{
  atMs: number
  lat: number
  lng: number
  speedKmh: number | null
  status: string
}>

/** What the card of a session shows beyond its live position. */
export type SessionDetail = Readonly<{
  sessionId: string
  vehicleId: string
  orderId: string
  deviceId: string
  startLat: number
  startLng: number
  endLat: number
  endLng: number
  createdAtMs: number
  pings: number
  distanceM: number
  events: readonly Readonly<{ status: string; atMs: number }>[]
}>

/** Questions to the clean tables. */
export interface Reader {
  session(sessionId: string): Promise<SessionDetail | null>
  trail(sessionId: string, sinceMs: number, limit: number): Promise<readonly TrailPoint[]>
  /** Newest first; null when `before` is the name of none. */
  deadLetters(
    options: DeadLetterFilter & Readonly<{ limit: number; beforeMs?: number; before?: FactName }>,
  ): Promise<readonly DeadLetterRow[] | null>
  /** How many there are of each code. */
  deadLetterCounts(filter: DeadLetterFilter): Promise<Readonly<Record<string, number>>>
  deadLetter(name: FactName): Promise<StoredDeadLetter | null>
  /** Those that can be read again and were not accepted yet, in the order of their names, after one of them. */
  openDeadLetters(
    options: DeadLetterFilter & Readonly<{ limit: number; after?: FactName }>,
  ): Promise<readonly StoredDeadLetter[]>
  countOpenDeadLetters(
    options: DeadLetterFilter & Readonly<{ after?: FactName }>,
  ): Promise<OpenDeadLetters>
}

/** State of one part, for `/health` and `/ready`. */
export type PartHealth = Readonly<{ status: 'healthy' | 'degraded' | 'unhealthy'; detail: string }>

/** What the gateway asks of the process around it. */
export interface Process {
  health(): Readonly<Record<string, PartHealth>>
  /** Null when ready, else what is missing. */
  notReady(): string | null
  demoRunning(): boolean
  setDemo(running: boolean): void
  /** Resolves true when what was acknowledged until now can be asked for, false when that takes longer. */
  queryable(withinMs: number): Promise<boolean>
}

/** Pages and their files, built by the UI. */
export interface Pages {
  /** HTML of the live map; `nonce` goes into the CSP. */
  live(props: Readonly<Record<string, unknown>>): string
  /** HTML of the regions page, as `live`. */
  regions(props: Readonly<Record<string, unknown>>): string
  /** `message` says more than that it failed: too many attempts, and when to try again. */
  signIn(props: { failed: boolean; message?: string; theme?: string }): string
  /** A built file by its path (`/assets/client-abc.js`), or null. */
  asset(path: string): Readonly<{ body: Uint8Array; type: string; immutable: boolean }> | null
}

/** The process in numbers, as Prometheus reads it. */
export interface Metrics {
  /** Text exposition format 0.0.4. */
  text(): string
}

/** What every process has, whatever it does. */
export type SharedPorts = Readonly<{
  accounts: Accounts
  process: Process
  metrics: Metrics
  clock: Clock
  log: Log
  telemetry: Telemetry
}>

/** What takes messages. */
export type IngestPorts = Readonly<{
  ingest: Ingest
  trips: TripsIngest
  /** How far edge gateways' messages are, where edges may forward to this process. */
  relay?: Readonly<{ pings: RelayPositions; trips: RelayPositions }>
}>

/** What pages, streams and questions are answered from. */
export type ViewPorts = Readonly<{
  feed: LiveFeed
  regionsFeed: RegionsFeed
  regionMap: RegionMap
  windows: WindowReader
  windowHistory: WindowHistory
  /** Oldest first, then by region; OrreryError as of a reader. */
  deliveries: (range: DeliveriesRange) => Promise<readonly DeliveryWindow[]>
  reader: Reader
  pages: Pages
}>

/** Everything the gateway is joined to, in a process that does all of it. */
export type GatewayPorts = SharedPorts & IngestPorts & ViewPorts

/** What a process is joined to that may do only a part of it; what is left out is not served. */
export type RolePorts = Readonly<{
  /** The roles as they were configured, to say in an answer who does not serve an address: `gateway,worker`. */
  roles: string
  shared: SharedPorts
  ingest?: IngestPorts
  views?: ViewPorts
  /** Where retried dead letters go; `ingest` when left out. With neither, letters are listed and not retried. */
  retries?: IngestPorts
}>

/** What only the owner of this machine's process may ask, through the socket in its data folder. */
export interface Control {
  /** Read-only SQL over silver and bronze; throws OrreryError with a message for a person. */
  sql(text: string, format: string): Promise<ReadableStream<Uint8Array> | Uint8Array>
  /** Resolves when everything acknowledged so far is in every store, visible; throws when that takes too long. */
  flush(): Promise<void>
  /** A key for a tool of this machine, with when it stops working. */
  mintKey(): Readonly<{ key: string; expiresMs: number }>
}
