import type { ProducerSource } from '../actors/kafka/producer.ts'
import type { RecoveryPlan } from '../actors/kernel/recover.ts'
import type { SharedStateStore, SnapshotObjects } from '../actors/kernel/snapshots.ts'
import type { ClickHouse } from '../sinks/clickhouse/engine.ts'
import type { Catalog } from '../sinks/iceberg/catalog.ts'

/** What the stores of a stream have, as its upkeep sees it. */
export type Standing = Readonly<{ handled: number; acknowledged: number }>

/** Where a mutation can put itself between two parts of a worker or a gateway; one set serves one life of it. */
export type ScaledSeams = Readonly<{
  source: (source: ProducerSource) => ProducerSource
  engine: (engine: ClickHouse) => ClickHouse
  catalog: (catalog: Catalog) => Catalog
  objects: (objects: SnapshotObjects) => SnapshotObjects
  states: (states: SharedStateStore) => SharedStateStore
  /** Looks again how far the log goes, once the partition is claimed. */
  refresh: (refresh: () => Promise<void>) => () => Promise<void>
  /** What the log notes of repeats, as a start reads it. */
  note: (note: string) => string
  plan: (plan: RecoveryPlan) => RecoveryPlan
  /** Up to which offset states are published. */
  bound: (bound: number, standing: Standing) => number
  /** Which offset the log is told not to be needed below. */
  trim: (offset: number, standing: Standing) => number
  /** What a checkpoint waits for before it sets its mark. */
  acknowledged: (wait: (offset: number) => Promise<void>) => (offset: number) => Promise<void>
}>

const same = <T>(port: T): T => port

/** Nothing in between. */
export const NO_SCALED_SEAMS: ScaledSeams = {
  source: same,
  engine: same,
  catalog: same,
  objects: same,
  states: same,
  refresh: same,
  note: same,
  plan: same,
  bound: same,
  trim: same,
  acknowledged: same,
}
