import type { Change, TableDefinition, TableMetadata } from './metadata.ts'

/** One version of the table. */
export type Table = Readonly<{
  metadata: TableMetadata
  /** Path or address of the metadata file. */
  metadataPath: string
}>

/** What became of a commit whose answer came. */
export type CommitOutcome =
  Readonly<{ state: 'committed'; table: Table }> | Readonly<{ state: 'conflict'; reason: string }>

/**
 * Knows which version of one table is the newest, and lets exactly one writer make the next. Any call may
 * throw: after a `commit` that threw, the change may be there, may never be, or may come later. Load and
 * look; what is based on an older snapshot can then no longer land.
 */
export interface Catalog {
  /** The newest version, or null when there is no table. `known` itself when that still is the newest. */
  load(known: Table | null): Promise<Table | null>
  /** Creates the table; the one that is there when somebody was faster. */
  create(definition: TableDefinition): Promise<Table>
  /** Makes the change to this version if its requirements hold and nobody made another. */
  commit(base: Table, change: Change): Promise<CommitOutcome>
}
