import { text, whole } from './setting.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const MEBIBYTE = 1_048_576

/** How what was taken is kept and handled: journal, actors, regions, sinks. */
export const storeSettings = {
  JOURNAL_SEGMENT_BYTES: whole({
    group: 'Journal',
    unit: 'bytes',
    default: 64 * MEBIBYTE,
    min: 65_536,
    max: 1_024 * MEBIBYTE,
    about: 'a new segment file begins beyond it',
  }),
  JOURNAL_WAITING_BYTES_MAX: whole({
    group: 'Journal',
    unit: 'bytes',
    default: 32 * MEBIBYTE,
    min: MEBIBYTE,
    max: 1_024 * MEBIBYTE,
    about: 'offered and not yet synced; beyond it senders are told busy',
  }),
  JOURNAL_RETENTION_MINUTES: whole({
    group: 'Journal',
    unit: 'minutes',
    default: 10,
    min: 0,
    max: 525_600,
    about: 'how long segments stay after every sink has them',
  }),
  JOURNAL_RETENTION_BYTES_MAX: whole({
    group: 'Journal',
    unit: 'bytes',
    default: 4_096 * MEBIBYTE,
    min: 65_536,
    max: 1_048_576 * MEBIBYTE,
    about: 'beyond it segments that every sink has go at once',
  }),

  ACTORS_AWAKE_MAX: whole({
    group: 'Actors',
    unit: 'actors',
    default: 200_000,
    min: 100,
    max: 10_000_000,
    about:
      'sessions in memory, shared by the partitions of a worker; the longest idle one is put away first',
  }),
  ACTOR_IDLE_MS: whole({
    group: 'Actors',
    unit: 'ms',
    default: 15 * MINUTE_MS,
    min: 1_000,
    max: 24 * HOUR_MS,
    about: 'a session without pings for so long is put away',
  }),
  SESSION_SILENT_MS: whole({
    group: 'Actors',
    unit: 'ms',
    default: 10 * MINUTE_MS,
    min: 1_000,
    max: 24 * HOUR_MS,
    about: 'an open session without pings for so long is marked silent',
  }),
  SESSION_OVERDUE_MS: whole({
    group: 'Actors',
    unit: 'ms',
    default: 10 * MINUTE_MS,
    min: 1_000,
    max: 24 * HOUR_MS,
    about: 'a session not completed so long after its estimated arrival is told as overdue',
  }),
  SNAPSHOT_INTERVAL_MS: whole({
    group: 'Actors',
    unit: 'ms',
    default: 0,
    min: 0,
    max: HOUR_MS,
    about:
      'how often changed actors are saved; a start replays at most about that much. 0 takes 30000, or 10000 over Kafka, where others wait for it',
  }),

  TRIP_FUTURE_MAX_MS: whole({
    group: 'Regions',
    unit: 'ms',
    default: 5 * MINUTE_MS,
    min: 0,
    max: 366 * 24 * HOUR_MS,
    about:
      'how far a trip may be ahead of our clock; up to the delay of the watermark no fast clock makes others late',
  }),
  WATERMARK_DELAY_MS: whole({
    group: 'Regions',
    unit: 'ms',
    default: 5 * MINUTE_MS,
    min: 0,
    max: 24 * HOUR_MS,
    about: 'a window is final when a trip so much later than its end has come',
  }),
  ALLOWED_LATENESS_MS: whole({
    group: 'Regions',
    unit: 'ms',
    default: 0,
    min: 0,
    max: 24 * HOUR_MS,
    about: 'a final window still takes trips for so long, in event time, and is revised by them',
  }),
  WINDOWS_TTL_S: whole({
    group: 'Regions',
    unit: 's',
    default: 3_600,
    min: 1,
    max: 366 * 24 * 3_600,
    about:
      'a window is served from memory or Redis so long after its last change; the tables keep it',
  }),
  REGIONS_FILE: text({
    group: 'Regions',
    unit: 'path',
    default: '',
    pattern: /^[^\0]{1,1024}$/,
    limit: 'a GeoJSON file of polygons with region_id 1–100',
    about: 'where the regions are; empty takes a grid of 10 × 10 over the city',
  }),
  REDIS_URL: text({
    group: 'Regions',
    unit: 'URL',
    default: '',
    pattern: /^(rediss?|redis\+unix|unix):\/\/[^\s]{1,1024}$/,
    limit: 'redis://, rediss:// or redis+unix://',
    about:
      "region windows are kept there too, under StreamPulse's keys; empty keeps them in this process",
    secret: true,
  }),

  CLICKHOUSE_DATABASE: text({
    group: 'Sinks',
    unit: 'name',
    default: 'default',
    pattern: /^[A-Za-z_][A-Za-z0-9_]{0,62}$/,
    limit: 'letters, digits and _',
    about: 'database in which the silver tables are found',
  }),
  CLICKHOUSE_BATCH_ROWS: whole({
    group: 'Sinks',
    unit: 'rows',
    default: 20_000,
    min: 1,
    max: 1_000_000,
    about: 'silver: a batch is written when it holds so many',
  }),
  CLICKHOUSE_BATCH_AGE_MS: whole({
    group: 'Sinks',
    unit: 'ms',
    default: 0,
    min: 0,
    max: 60_000,
    about:
      'silver: or when its oldest row is so old; 0 takes 200, or 1000 over a server, which has its share of each batch',
  }),
  CLICKHOUSE_MEMORY_BYTES_MAX: whole({
    group: 'Sinks',
    unit: 'bytes',
    default: 1_536 * MEBIBYTE,
    min: 256 * MEBIBYTE,
    max: 1_048_576 * MEBIBYTE,
    about: 'the embedded engine refuses queries beyond it; the memory of the whole process counts',
  }),
  ICEBERG_BATCH_ROWS: whole({
    group: 'Sinks',
    unit: 'rows',
    default: 100_000,
    min: 1,
    max: 5_000_000,
    about: 'bronze: a commit is made when it holds so many',
  }),
  ICEBERG_BATCH_AGE_MS: whole({
    group: 'Sinks',
    unit: 'ms',
    default: 5_000,
    min: 50,
    max: 10 * MINUTE_MS,
    about: 'bronze: or when its oldest row is so old',
  }),
} as const
