/** Whence a row comes, down to the bytes that a vehicle sent. */
export const FACT_NAME = `
  \`partition\` UInt32,
  \`offset\` UInt64,
  \`part\` UInt32`

/** Finds what is stored above an offset without reading the table. */
export const OFFSET_INDEX = 'INDEX offset_range `offset` TYPE minmax GRANULARITY 4'

/** A merged part is synced too: a power cut would leave it with holes, and its source parts go before long. */
export const SYNCED = `
  fsync_after_insert = 1,
  fsync_part_directory = 1,
  min_rows_to_fsync_after_merge = 1,
  min_compressed_bytes_to_fsync_after_merge = 1`

/** Such a table knows the tokens of its last blocks: what comes again is stored once. */
export const KEPT = `
  non_replicated_deduplication_window = 10000,${SYNCED}`
