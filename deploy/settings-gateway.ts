import type { LogLevel } from '../actors/kernel/telemetry.ts'
import { choice, text, whole } from './setting.ts'

const HOUR_MS = 3_600_000
const MEBIBYTE = 1_048_576

const LEVELS: readonly [LogLevel, ...LogLevel[]] = ['debug', 'info', 'warn', 'error']

/** What the process is to the outside: address, keys, limits on senders and viewers. */
export const gatewaySettings = {
  PORT: whole({
    group: 'General',
    unit: 'port',
    default: 8_000,
    min: 0,
    max: 65_535,
    about: 'HTTP, WebSocket and SSE; 0 takes any free one',
  }),
  HOST: text({
    group: 'General',
    unit: 'address',
    default: '0.0.0.0',
    pattern: /^[0-9A-Za-z.:%-]{1,253}$/,
    limit: 'an IP address or a host name',
    about: 'address to listen on; the default lets vehicles in from outside, 127.0.0.1 nobody',
  }),
  DATA_DIR: text({
    group: 'General',
    unit: 'path',
    default: './data',
    pattern: /^[^\0]{1,1024}$/,
    limit: 'a folder of this process alone',
    about: 'everything that is kept: journal, tables, snapshots, hashed keys',
  }),
  API_KEY: text({
    group: 'General',
    unit: 'text',
    default: '',
    pattern: /^[\x21-\x7e]{1,256}$/,
    limit: '1–256 printable characters without spaces',
    about: 'an ingest key of your own; accepted beside the stored ones and never stored',
    secret: true,
  }),
  VIEWERS: choice({
    group: 'General',
    default: 'local',
    names: ['local', 'signed-in', 'anyone'],
    about:
      'who sees the map without signing in: this machine, nobody, everybody; behind a reverse proxy on the same machine take signed-in',
  }),
  TILES_URL: text({
    group: 'General',
    unit: 'URL',
    default: '',
    pattern: /^https?:\/\/(?=.*\{z\})(?=.*\{x\})(?=.*\{y\})[^\s"'<>;,]+$/,
    limit: 'http(s) with {z}, {x} and {y}',
    about: 'map tiles; empty shows the built-in map, which needs no internet',
  }),
  LOG_LEVEL: choice({
    group: 'General',
    default: 'info',
    names: LEVELS,
    about: 'the least important log line that is written (JSON lines on stderr)',
  }),

  AUTH_TIMEOUT_MS: whole({
    group: 'Gateway',
    unit: 'ms',
    default: 5_000,
    min: 100,
    max: 60_000,
    about: 'a socket that has not shown a key by then is closed',
  }),
  FRAME_BYTES_MAX: whole({
    group: 'Gateway',
    unit: 'bytes',
    default: MEBIBYTE,
    min: 1_024,
    max: 16 * MEBIBYTE,
    about: 'largest WebSocket frame',
  }),
  BODY_BYTES_MAX: whole({
    group: 'Gateway',
    unit: 'bytes',
    default: 8 * MEBIBYTE,
    min: 1_024,
    max: 64 * MEBIBYTE,
    about: 'largest body of POST /ingest',
  }),
  MAX_CONNECTIONS: whole({
    group: 'Gateway',
    unit: 'sockets',
    default: 10_000,
    min: 1,
    max: 100_000,
    about: 'vehicle sockets open at once; the next one is refused with 503',
  }),
  PINGS_PER_MESSAGE_MAX: whole({
    group: 'Gateway',
    unit: 'pings',
    default: 20_000,
    min: 1,
    max: 100_000,
    about: 'pings in one frame or body',
  }),
  PINGS_PER_SECOND_MAX: whole({
    group: 'Gateway',
    unit: 'pings/s',
    default: 500_000,
    min: 1,
    max: 10_000_000,
    about: 'rate of one key; beyond it the answer is busy or 429',
  }),
  EVENT_TIME_FUTURE_MAX_MS: whole({
    group: 'Gateway',
    unit: 'ms',
    default: 24 * HOUR_MS,
    min: 0,
    max: 366 * 24 * HOUR_MS,
    about: 'how far a ping may be ahead of our clock',
  }),
  EVENT_TIME_OLDEST: text({
    group: 'Gateway',
    unit: 'date',
    default: '2000-01-01',
    pattern: /^(19[7-9]\d|20\d\d)-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$/,
    limit: 'YYYY-MM-DD, from 1970-01-01',
    about: 'a ping from before that day is refused: a clock that lost its battery',
  }),
  EVENT_LOOP_LAG_MS_MAX: whole({
    group: 'Gateway',
    unit: 'ms',
    default: 250,
    min: 20,
    max: 60_000,
    about: 'how late the process may run, over a second; beyond it senders are told busy',
  }),
  VIEWERS_MAX: whole({
    group: 'Gateway',
    unit: 'streams',
    default: 1_000,
    min: 1,
    max: 100_000,
    about: 'live maps open at once; the next one is refused with 503',
  }),
} as const
