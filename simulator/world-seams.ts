import type { Behavior } from '../actors/kernel/behavior.ts'
import type { FactTarget } from '../actors/kernel/delivery.ts'
import type { Disk } from '../actors/kernel/disk.ts'
import type { Journal } from '../actors/kernel/journal.ts'
import type { StateStore } from '../actors/kernel/state-store.ts'
import type { Fact, PingsFact } from '../actors/model/fact.ts'
import type { History } from '../actors/model/history.ts'
import type { Ingest } from '../actors/model/offer.ts'
import type { Ping } from '../actors/model/ping.ts'
import type { SessionState } from '../actors/session/state.ts'
import type { ClickHouse } from '../sinks/clickhouse/engine.ts'
import type { Catalog } from '../sinks/iceberg/catalog.ts'
import type { MetricsStore } from '../sinks/metrics/store.ts'
import type { Sink } from '../sinks/sink.ts'

/** The two ways by which facts leave a partition. */
export type Targets = Readonly<{ received: FactTarget; derived: FactTarget }>

/**
 * Where a mutation can put itself between two parts of the real code: each seam gets what one part hands
 * to the next, and gives what that one gets instead. One set serves one life of the process.
 */
export type Seams = Readonly<{
  disk: (disk: Disk) => Disk
  states: (states: StateStore) => StateStore
  engine: (engine: ClickHouse) => ClickHouse
  catalog: (catalog: Catalog) => Catalog
  metricsStore: (store: MetricsStore) => MetricsStore
  bronzeSink: (sink: Sink<PingsFact>) => Sink<PingsFact>
  silverSink: (sink: Sink<Fact>) => Sink<Fact>
  metricsSink: (sink: Sink<Fact>) => Sink<Fact>
  behavior: (behavior: Behavior<SessionState, Ping>) => Behavior<SessionState, Ping>
  history: (history: History) => History
  targets: (targets: Targets) => Targets
  journal: (journal: Journal) => Journal
  ingest: (ingest: Ingest) => Ingest
  /** What a checkpoint waits for before it sets its mark. */
  acknowledged: (wait: (offset: number) => Promise<void>) => (offset: number) => Promise<void>
  /** Runs on the disk before the journal is opened. */
  beforeOpen: (disk: Disk) => Promise<void>
}>

const same = <T>(port: T): T => port

/** Nothing in between. */
export const NO_SEAMS: Seams = {
  disk: same,
  states: same,
  engine: same,
  catalog: same,
  metricsStore: same,
  bronzeSink: same,
  silverSink: same,
  metricsSink: same,
  behavior: same,
  history: same,
  targets: same,
  journal: same,
  ingest: same,
  acknowledged: same,
  beforeOpen: () => Promise.resolve(),
}
