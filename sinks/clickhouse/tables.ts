import { FACT_NAME, KEPT, OFFSET_INDEX, SYNCED } from './table-settings.ts'
import { writerTables } from './writer-tables.ts'

/**
 * Statements that make the silver tables, one list a version. A version that was released is never
 * changed: what comes later is a new list. Each statement may run twice, since a crash may come between.
 *
 * Data tables keep a window of tokens: a batch sent again in it is stored once. Parts are synced as they
 * are written, because the journal lets go of what is acknowledged here. Movements are merged in bigger
 * steps than ClickHouse's own (base 5): at five parts a second that halves what merging costs. Their index
 * is finer (1,024 rows instead of 8,192): history asks for many sessions of few rows at once.
 */
export const MIGRATIONS: readonly Readonly<{ name: string; statements: readonly string[] }>[] = [
  { name: 'silver tables', statements: [...silverTables(), ...silverViews()] },
  { name: 'dead letter retries', statements: [retryTable()] },
  { name: 'trips and regions', statements: [...regionTables(), regionView()] },
  { name: 'synced merges', statements: syncedMerges() },
  { name: 'writers', statements: writerTables() },
]

function silverTables(): string[] {
  return [
    `CREATE TABLE IF NOT EXISTS session_movements (
  session_id String,
  current_lat Float64,
  current_lon Float64,
  timestamp DateTime64(3, 'UTC'),
  movement_id String,
  status String,
  event_time_us Int64,
  distance_cm Int64,
  speed_kmh Nullable(Float64),
  heading_deg Nullable(Float64),
  travelled_cm Int64,
  remaining_cm Int64,
  late Bool,
  received_at DateTime64(3, 'UTC'),${FACT_NAME},
  id UUID ALIAS toUUIDOrZero(movement_id),
  event_tsp DateTime64(3, 'UTC') ALIAS timestamp,
  ${OFFSET_INDEX}
) ENGINE = MergeTree
PARTITION BY toYYYYMM(received_at)
ORDER BY (session_id, timestamp)
SETTINGS${KEPT},
  merge_selector_base = 10,
  index_granularity = 1024`,

    `CREATE TABLE IF NOT EXISTS session_headers (
  session_id String,
  revision UInt32,
  vehicle_id String,
  order_id String,
  device_id String,
  start_lat Float64,
  start_lon Float64,
  end_lat Float64,
  end_lon Float64,
  created_at DateTime64(3, 'UTC'),
  created_at_us Int64,
  received_at DateTime64(3, 'UTC'),${FACT_NAME},
  ${OFFSET_INDEX}
) ENGINE = ReplacingMergeTree(revision)
ORDER BY session_id
SETTINGS${KEPT}`,

    `CREATE TABLE IF NOT EXISTS session_statuses (
  session_id String,
  status String,
  revision UInt32,
  event_id String,
  from_status String,
  timestamp DateTime64(3, 'UTC'),
  event_time_us Int64,
  received_at DateTime64(3, 'UTC'),${FACT_NAME},
  ${OFFSET_INDEX}
) ENGINE = ReplacingMergeTree(revision)
ORDER BY (session_id, status)
SETTINGS${KEPT}`,

    `CREATE TABLE IF NOT EXISTS session_alerts (
  session_id String,
  alert LowCardinality(String),
  due_at DateTime64(3, 'UTC'),
  fired_at DateTime64(3, 'UTC'),
  late Bool,${FACT_NAME},
  ${OFFSET_INDEX}
) ENGINE = MergeTree
PARTITION BY toYYYYMM(fired_at)
ORDER BY (session_id, fired_at)
SETTINGS${KEPT}`,

    `CREATE TABLE IF NOT EXISTS dead_letters (
  id String,
  code LowCardinality(String),
  path String,
  expected String,
  received String,
  message String,
  raw String,
  truncated Bool,
  received_at DateTime64(3, 'UTC'),
  source String,${FACT_NAME},
  ${OFFSET_INDEX}
) ENGINE = MergeTree
PARTITION BY toYYYYMM(received_at)
ORDER BY (received_at, \`partition\`, \`offset\`, \`part\`)
SETTINGS${KEPT}`,

    `CREATE TABLE IF NOT EXISTS sink_progress (
  sink LowCardinality(String),
  \`partition\` UInt32,
  \`offset\` Int64,
  written_at DateTime64(3, 'UTC') DEFAULT now64(3)
) ENGINE = ReplacingMergeTree(\`offset\`)
ORDER BY (sink, \`partition\`)
SETTINGS${SYNCED}`,
  ]
}

/** Tables that were made before merges were synced. */
function syncedMerges(): string[] {
  const tables = [
    ...['session_movements', 'session_headers', 'session_statuses', 'session_alerts'],
    ...['dead_letters', 'dead_letter_retries', 'sink_progress'],
  ]
  return tables.map(
    (table) =>
      `ALTER TABLE ${table} MODIFY SETTING
  min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1`,
  )
}

/** What came of each dead letter that was read again: a row a time. */
function retryTable(): string {
  return `CREATE TABLE IF NOT EXISTS dead_letter_retries (
  letter_partition UInt32,
  letter_offset UInt64,
  letter_part UInt32,
  outcome LowCardinality(String),
  pings UInt32,
  refused UInt32,
  code LowCardinality(String),
  path String,
  message String,
  retried_at DateTime64(3, 'UTC'),
  source String,${FACT_NAME},
  ${OFFSET_INDEX}
) ENGINE = MergeTree
ORDER BY (letter_partition, letter_offset, letter_part, retried_at)
SETTINGS${KEPT}`
}

/**
 * Trips, what became of their regions' windows, and trips that no window held any more. A window's rows
 * replace each other, the newest fact wins: a second write of a row is the same row. Trips are looked up
 * by region and minute, hence the fine index.
 */
function regionTables(): string[] {
  return [
    `CREATE TABLE IF NOT EXISTS trips (
  trip_id String,
  region_id UInt16,
  event_time DateTime64(6, 'UTC') DEFAULT fromUnixTimestamp64Micro(event_time_us, 'UTC'),
  fare Float64,
  duration UInt32,
  distance Float64,
  pickup_lat Nullable(Float64),
  pickup_lon Nullable(Float64),
  dropoff_lat Nullable(Float64),
  dropoff_lon Nullable(Float64),
  driver_id String,
  vehicle_type LowCardinality(String),
  payment_method LowCardinality(String),
  late Bool,
  counted Bool,
  received_at DateTime64(3, 'UTC'),
  event_time_us Int64,${FACT_NAME},
  ${OFFSET_INDEX}
) ENGINE = MergeTree
PARTITION BY toYYYYMM(received_at)
ORDER BY (region_id, event_time)
SETTINGS${KEPT},
  merge_selector_base = 10,
  index_granularity = 1024`,

    `CREATE TABLE IF NOT EXISTS region_window_versions (
  region_id UInt16,
  window_start DateTime('UTC'),
  window_size_s UInt32,
  trip_count UInt32,
  avg_fare Float64,
  total_distance Float64,
  avg_duration Float64,
  p50_duration Float64,
  p95_duration Float64,
  total_fare Float64,
  min_fare Float64,
  max_fare Float64,
  min_duration UInt32,
  max_duration UInt32,
  min_distance Float64,
  max_distance Float64,
  late_count UInt32,
  final Bool,
  revision UInt32,
  received_at DateTime64(3, 'UTC'),${FACT_NAME},
  version UInt64 DEFAULT bitShiftLeft(toUInt64(\`partition\`), 44) + \`offset\`
) ENGINE = ReplacingMergeTree(version)
ORDER BY (region_id, window_size_s, window_start)
SETTINGS${KEPT},
  merge_selector_base = 10,
  index_granularity = 1024`,

    `CREATE TABLE IF NOT EXISTS region_late (
  region_id UInt16,
  window_start DateTime('UTC'),
  window_size_s UInt32,
  trips UInt32,
  received_at DateTime64(3, 'UTC'),${FACT_NAME},
  mark UInt32,
  ${OFFSET_INDEX}
) ENGINE = MergeTree
ORDER BY (region_id, window_size_s, window_start)
SETTINGS${KEPT}`,
  ]
}

/** One row a window: its newest figures, late trips counted that came when the region had let go of it. */
function regionView(): string {
  const held = (names: string): string =>
    names
      .split(' ')
      .map((name) => `held.${name} AS ${name}`)
      .join(', ')
  return `CREATE OR REPLACE VIEW region_windows AS SELECT
  ${held('region_id window_start window_size_s trip_count avg_fare total_distance avg_duration')},
  ${held('p50_duration p95_duration total_fare min_fare max_fare min_duration max_duration')},
  ${held('min_distance max_distance')},
  held.late_count + gone.trips AS late_count,
  ${held('final revision received_at partition offset part')}
FROM region_window_versions AS held FINAL
LEFT JOIN (
  SELECT region_id, window_size_s, window_start, sum(trips) AS trips
  FROM region_late GROUP BY region_id, window_size_s, window_start
) AS gone USING (region_id, window_size_s, window_start)`
}

/** The documented names: one row a session, one a session and status, the newest; and PacketPulse's older names. */
function silverViews(): string[] {
  return [
    `CREATE OR REPLACE VIEW sessions_base AS SELECT
  session_id, vehicle_id, order_id, start_lat, start_lon, end_lat, end_lon, created_at,
  device_id, revision, created_at_us, received_at, \`partition\`, \`offset\`, \`part\`
FROM session_headers FINAL`,

    `CREATE OR REPLACE VIEW session_events AS SELECT
  session_id, status, timestamp, event_id, from_status, revision, event_time_us, received_at,
  \`partition\`, \`offset\`, \`part\`
FROM session_statuses FINAL`,

    `CREATE OR REPLACE VIEW sessions AS SELECT
  session_id, vehicle_id, order_id, created_at AS event_started,
  start_lat, start_lon, end_lat, end_lon
FROM session_headers FINAL`,

    `CREATE OR REPLACE VIEW orders AS SELECT
  header.order_id AS order_id, 'completed' AS status, min(event.timestamp) AS completed_at
FROM session_statuses AS event FINAL
INNER JOIN session_headers AS header FINAL ON header.session_id = event.session_id
WHERE event.status = 'completed'
GROUP BY header.order_id`,

    `CREATE OR REPLACE VIEW vehicles AS SELECT
  vehicle_id, min(created_at) AS first_seen
FROM session_headers FINAL
GROUP BY vehicle_id`,
  ]
}
