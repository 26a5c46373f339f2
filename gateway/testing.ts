import { systemClock } from '../actors/kernel/clock.ts'
import { silentLog, Telemetry } from '../actors/kernel/telemetry.ts'
import type { LiveDelta, LiveKpi, LiveSnapshot } from '../actors/model/live.ts'
import type { Ping } from '../actors/model/ping.ts'
import type { Trip } from '../actors/model/trip.ts'
import type { Connection } from './access.ts'
import type {
  Accounts,
  GatewayPorts,
  Ingest,
  LiveFeed,
  NotTaken,
  Offer,
  OfferOutcome,
  Pages,
  Process,
  Reader,
  SequencedDelta,
  TripsIngest,
} from './ports.ts'
import { regionPorts } from './regions-testing.ts'

/** A key that TestAccounts knows, and the name it goes by. */
export const TEST_KEY = 'test-key-0123456789'
export const TEST_SOURCE = 'depot'
/** The password that TestAccounts takes. */
export const TEST_PASSWORD = 'correct horse battery staple'

/** An intake that keeps what it was given and answers at once, later, or out of phase. */
export class TestIngest<Item = Ping> implements Ingest<Item> {
  readonly offers: Offer<Item>[] = []
  /** What an offer gets when it is answered at once; null holds it until `release`. */
  outcome: ((offer: Offer<Item>) => OfferOutcome) | null = () => ({ ok: true, duplicates: null })
  /** What every message is told before it is read. */
  refusal = (): NotTaken | null => null
  readonly #held: (() => void)[] = []
  #onOffer: (() => void)[] = []

  offer(offer: Offer<Item>, done: (outcome: OfferOutcome) => void): void {
    this.offers.push(offer)
    const { outcome } = this
    if (outcome) done(outcome(offer))
    else this.#held.push(() => done({ ok: true, duplicates: null }))
    for (const call of this.#onOffer.splice(0)) call()
  }

  get held(): number {
    return this.#held.length
  }

  /** Answers one held offer, by its place among those held. */
  release(index = 0): void {
    for (const answer of this.#held.splice(index, 1)) answer()
  }

  /** Resolves when so many offers were made in all. */
  async atLeast(count: number): Promise<void> {
    while (this.offers.length < count) {
      await new Promise<void>((resolve) => this.#onOffer.push(resolve))
    }
  }

  get itemCount(): number {
    return this.offers.reduce((sum, offer) => sum + offer.messages.length, 0)
  }

  get deadLetterCodes(): readonly string[] {
    return this.offers.flatMap((offer) => offer.deadLetters.map((letter) => letter.code))
  }
}

/** The same for trips; flushes are kept. */
export class TestTripsIngest extends TestIngest<Trip> implements TripsIngest {
  readonly flushes: Readonly<{ source: string; receivedMs: number }>[] = []
  /** What a flush gets at once; null holds it until `releaseFlush`. */
  flushOutcome: OfferOutcome | null = { ok: true, duplicates: null }
  releaseFlush = (): void => {}

  flush(source: string, receivedMs: number, done: (outcome: OfferOutcome) => void): void {
    this.flushes.push({ source, receivedMs })
    if (this.flushOutcome) done(this.flushOutcome)
    else this.releaseFlush = () => done({ ok: true, duplicates: null })
  }
}

/** One key, one password, sessions in memory. */
export class TestAccounts implements Accounts {
  readonly #sessions = new Set<string>()
  #next = 0
  passwordChecks = 0

  verifyKey(key: string): string | null {
    return key === TEST_KEY ? TEST_SOURCE : null
  }
  async verifyPassword(password: string): Promise<boolean> {
    this.passwordChecks++
    return password === TEST_PASSWORD
  }
  signIn(): string {
    const token = `token-${this.#next++}`
    this.#sessions.add(token)
    return token
  }
  verifySession(token: string): boolean {
    return this.#sessions.has(token)
  }
  signOut(token: string): void {
    this.#sessions.delete(token)
  }
}

type Listener = Parameters<LiveFeed['subscribe']>[0]

/** A feed that says what the test says, with a bounded history. */
export class TestFeed implements LiveFeed {
  readonly epoch: string
  seq = 0
  /** Deltas that stay readable. */
  historyMax = 100
  snapshotsMade = 0
  readonly #listeners = new Set<Listener>()
  #history: SequencedDelta[] = []

  constructor(epoch = 'e1') {
    this.epoch = epoch
  }

  snapshot(): LiveSnapshot {
    this.snapshotsMade++
    return { nowMs: this.seq, vehicles: [], pos: [], events: [] }
  }
  since(seq: number): readonly SequencedDelta[] | null {
    if (seq === this.seq) return []
    const oldest = this.#history[0]
    if (!oldest || seq < oldest.seq - 1) return null
    return this.#history.filter((next) => next.seq > seq)
  }
  subscribe(on: Listener): () => void {
    this.#listeners.add(on)
    return () => void this.#listeners.delete(on)
  }

  publish(delta: LiveDelta = { nowMs: this.seq + 1 }): void {
    const next = { seq: ++this.seq, delta }
    this.#history = [...this.#history, next].slice(-this.historyMax)
    for (const listener of this.#listeners) listener.delta(next)
  }
  publishKpi(kpi: LiveKpi): void {
    for (const listener of this.#listeners) listener.kpi(kpi)
  }
  get listeners(): number {
    return this.#listeners.size
  }
}

/** Figures of a system at rest. */
export const TEST_KPI: LiveKpi = {
  nowMs: 1,
  activeSessions: 0,
  silentSessions: 0,
  completedToday: 0,
  pingsPerSecond: 0,
  ackP95Ms: 0,
  queryableP95Ms: null,
  meanSpeedKmh: 0,
  distanceKmToday: 0,
  completeUpToMs: 0,
}

/** Tables in which there is nothing. */
export const emptyReader: Reader = {
  session: async () => null,
  trail: async () => [],
  deadLetters: async () => [],
  deadLetterCounts: async () => ({}),
  deadLetter: async () => null,
  openDeadLetters: async () => [],
  countOpenDeadLetters: async () => ({ open: 0, cut: 0 }),
}

const plainPages: Pages = {
  live: (props) => `<!doctype html><title>live</title>${JSON.stringify(props)}`,
  regions: (props) => `<!doctype html><title>regions</title>${JSON.stringify(props)}`,
  signIn: (props) => `<!doctype html><title>sign in</title>${JSON.stringify(props)}`,
  asset: () => null,
}

/** A process that is well, with a demo that can be switched. */
export function testProcess(): Process {
  let running = false
  return {
    health: () => ({ journal: { status: 'healthy', detail: '3 segments' } }),
    notReady: () => null,
    demoRunning: () => running,
    setDemo: (wanted) => {
      running = wanted
    },
    queryable: async () => true,
  }
}

/** Ports of which a test gives the parts that it looks at. */
export function testPorts(parts: Partial<GatewayPorts> = {}): GatewayPorts {
  return {
    ingest: new TestIngest(),
    trips: new TestTripsIngest(),
    accounts: new TestAccounts(),
    ...regionPorts(),
    feed: new TestFeed(),
    reader: emptyReader,
    process: testProcess(),
    pages: plainPages,
    metrics: { text: () => 'orrery_up 1\n' },
    clock: systemClock,
    log: silentLog,
    telemetry: new Telemetry(),
    ...parts,
  }
}

/** This machine's browser, as `app.request` is told of it. */
export const LOCAL: Connection = { address: '127.0.0.1', timeout: () => {} }
/** Somebody else's. */
export const REMOTE: Connection = { address: '203.0.113.9', timeout: () => {} }

/** Headers of a browser that opened http://localhost:8000. */
export const LOCAL_HOST = { host: 'localhost:8000' }

/** A wire message as PacketPulse's simulator writes it. */
export function wirePing(fields: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return {
    device_id: '6baf18e2-1111-4111-8111-000000000001',
    vehicle_id: '6baf18e2-1111-4111-8111-000000000001',
    session_id: '6baf18e2-1111-4111-8111-000000000001',
    order_id: '6baf18e2-1111-4111-8111-000000000001',
    status: 'en_route',
    timestamp: '2024-05-04T03:59:21.422993',
    start_lat: 38.076554,
    start_lon: 23.703303,
    end_lat: 37.947142,
    end_lon: 23.64237,
    current_lat: 38.07389692987047,
    current_lon: 23.706999093506035,
    route_name: 'Route 6',
    waypoint_count: 396,
    ...fields,
  }
}

/** A trip as StreamPulse's replay producer writes it. */
export function wireTrip(fields: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return {
    trip_id: 'trip_000002',
    region_id: 4,
    event_time: '2025-08-17T06:00:00+00:00Z',
    fare: 13.39,
    duration: 825,
    distance: 4.6,
    ...fields,
  }
}
