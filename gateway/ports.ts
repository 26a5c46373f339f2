import type { Clock } from '../actors/kernel/clock.ts'
import type { Log, Telemetry } from '../actors/kernel/telemetry.ts'
import type { DeadLetter } from '../actors/model/fact.ts'
import type { LiveDelta, LiveKpi, LiveSnapshot } from '../actors/model/live.ts'
import type { Ping } from '../actors/model/ping.ts'

/** One message of a sender, checked: pings to accept, and what was refused. */
export type Offer = Readonly<{
  /** Name of the key it came with. */
  source: string
  receivedMs: number
  /** JSON text of exactly `pings`, as received: an object, an array or NDJSON. */
  payload: Uint8Array | string
  pings: readonly Ping[]
  deadLetters: readonly DeadLetter[]
  /** Wait until the actors have seen it, and count repeats; slower. */
  countDuplicates: boolean
}>

/** What became of an offer: on disk (and counted), or not taken at all. */
export type OfferOutcome =
  | Readonly<{ ok: true; duplicates: number | null }>
  | Readonly<{
      ok: false
      code: 'busy' | 'disk_full' | 'unavailable'
      message: string
      retryAfterMs: number
    }>

/** The way in. `done` is called exactly once, possibly at once, in order of offers for the same caller. */
export interface Ingest {
  offer(offer: Offer, done: (outcome: OfferOutcome) => void): void
}

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

/** One delta as sent: `seq` is dense within an epoch. */
export type SequencedDelta = Readonly<{ seq: number; delta: LiveDelta }>

/** The live map's source. */
export interface LiveFeed {
  readonly epoch: string
  /** Sequence number of the newest delta. */
  readonly seq: number
  snapshot(): LiveSnapshot
  /** Deltas after `seq`, or null when they are no longer held (then a snapshot is due). */
  since(seq: number): readonly SequencedDelta[] | null
  /** Calls on every delta and KPI; the result unsubscribes. */
  subscribe(on: { delta(next: SequencedDelta): void; kpi(kpi: LiveKpi): void }): () => void
}

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

/** A dead letter as listed. */
export type DeadLetterRow = Readonly<{
  id: string
  code: string
  path: string
  expected: string
  received: string
  message: string
  /** As text when it is UTF-8, else base64. */
  raw: string
  rawEncoding: 'utf8' | 'base64'
  truncated: boolean
  receivedMs: number
  source: string
}>

/** Questions to the clean tables. */
export interface Reader {
  session(sessionId: string): Promise<SessionDetail | null>
  trail(sessionId: string, sinceMs: number, limit: number): Promise<readonly TrailPoint[]>
  deadLetters(options: {
    limit: number
    beforeMs?: number
    code?: string
  }): Promise<readonly DeadLetterRow[]>
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
}

/** Pages and their files, built by the UI. */
export interface Pages {
  /** HTML of the live map; `nonce` goes into the CSP. */
  live(props: Readonly<Record<string, unknown>>): string
  /** `message` says more than that it failed: too many attempts, and when to try again. */
  signIn(props: { failed: boolean; message?: string }): string
  /** A built file by its path (`/assets/client-abc.js`), or null. */
  asset(path: string): Readonly<{ body: Uint8Array; type: string; immutable: boolean }> | null
}

/** The process in numbers, as Prometheus reads it. */
export interface Metrics {
  /** Text exposition format 0.0.4. */
  text(): string
}

/** Everything the gateway is joined to. */
export type GatewayPorts = Readonly<{
  ingest: Ingest
  accounts: Accounts
  feed: LiveFeed
  reader: Reader
  process: Process
  pages: Pages
  metrics: Metrics
  clock: Clock
  log: Log
  telemetry: Telemetry
}>

/** What only the owner of this machine's process may ask, through the socket in its data folder. */
export interface Control {
  /** Read-only SQL over silver and bronze; throws OrreryError with a message for a person. */
  sql(text: string, format: string): Promise<ReadableStream<Uint8Array> | Uint8Array>
  /** A key for a tool of this machine, with when it stops working. */
  mintKey(): Readonly<{ key: string; expiresMs: number }>
}
