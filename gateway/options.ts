import { TIME_LIMITS, type TimeLimits } from '../actors/model/ping.ts'
import { TRIP_LIMITS, type TripLimits } from '../actors/model/trip.ts'

/** Who sees the map and asks questions without signing in. */
export type Viewers = 'local' | 'signed-in' | 'anyone'

/** Every limit and choice of the gateway. Units are the last word of a name. */
export type GatewayOptions = Readonly<{
  /** What `/health` calls this service. */
  service: string

  /** A socket that has not shown a key by then is closed with 1008. */
  authTimeoutMs: number
  /** Largest WebSocket frame; a larger one is kept as a dead letter, answered, and closes with 1009. */
  frameBytesMax: number
  /** Largest body of POST /ingest, after inflation. */
  bodyBytesMax: number
  /** Bytes of all bodies being read at one time; beyond it 503. */
  bodiesBytesMax: number
  /** Pings, or trips, of one frame or body. */
  pingsPerMessageMax: number
  /** JSON text of one ping or trip. */
  pingBytesMax: number
  /** Nesting of one ping or trip, itself counted. */
  jsonDepthMax: number
  /** Bytes of a refused message that its dead letter keeps. */
  deadLetterBytesMax: number
  /** Refused pings or trips that an answer lists; beyond it they are counted. */
  refusedListMax: number
  /** Refused pings or trips of one message; with more it is refused as one, since each costs about 20 µs and a dead letter. */
  refusedPerMessageMax: number
  /** Which event times of pings are believed. */
  time: TimeLimits
  /** Which event times of trips are believed: a trip far ahead would close the windows of all others. */
  tripTime: TripLimits

  /** Ingest sockets open at once; the next one gets 503 before the upgrade. */
  connectionsMax: number
  /** Messages of one socket without a reply; from there on it is not read, and from twice as many on told busy. */
  unansweredMax: number
  /** Bytes of such messages. */
  unansweredBytesMax: number
  /** A socket or body that takes or gives nothing for so long is cut. */
  stallMsMax: number
  /** A silent socket gets a WebSocket ping before this and is cut after it; whole seconds, at most 960,000. */
  socketIdleMsMax: number
  /** Rate of one key: of its pings, and as much of its trips. */
  pingsPerSecondMax: number
  /** How many seconds of that rate may come at once. */
  burstSecondsMax: number

  /** Live map streams at once; the next one gets 503. */
  viewersMax: number
  /** Bytes that wait for one viewer; beyond it they are dropped and it gets a snapshot when it reads again. */
  viewerBytesMax: number
  /** A viewer that takes nothing for so long is cut. */
  viewerStallMsMax: number
  /** A comment keeps a quiet stream open; under 10,000, or proxies cut it. */
  heartbeatMs: number

  viewers: Viewers
  /** Failed sign-ins of one address within a minute. */
  signInFailuresPerMinuteMax: number
  /** Failed sign-ins of all addresses within a minute: each costs a slow hash. */
  signInFailuresPerMinuteAllMax: number

  /** Template of map tiles (`https://tile.example/{z}/{x}/{y}.png`), or null for the built-in map alone. */
  tilesUrl: string | null
  /** How long `stop` waits for replies that are due. */
  stopMsMax: number
}>

const KIBIBYTE = 1_024
const MEBIBYTE = 1_024 * KIBIBYTE

/** What holds when nothing is configured. */
export const GATEWAY_DEFAULTS: GatewayOptions = {
  service: 'Orrery',
  authTimeoutMs: 5_000,
  frameBytesMax: MEBIBYTE,
  bodyBytesMax: 8 * MEBIBYTE,
  bodiesBytesMax: 64 * MEBIBYTE,
  pingsPerMessageMax: 20_000,
  pingBytesMax: 16 * KIBIBYTE,
  jsonDepthMax: 16,
  deadLetterBytesMax: 64 * KIBIBYTE,
  refusedListMax: 100,
  refusedPerMessageMax: 500,
  time: TIME_LIMITS,
  tripTime: TRIP_LIMITS,
  connectionsMax: 10_000,
  unansweredMax: 1_000,
  unansweredBytesMax: 4 * MEBIBYTE,
  stallMsMax: 30_000,
  socketIdleMsMax: 120_000,
  pingsPerSecondMax: 500_000,
  burstSecondsMax: 2,
  viewersMax: 1_000,
  viewerBytesMax: 256 * KIBIBYTE,
  viewerStallMsMax: 60_000,
  heartbeatMs: 8_000,
  viewers: 'local',
  signInFailuresPerMinuteMax: 10,
  signInFailuresPerMinuteAllMax: 100,
  tilesUrl: null,
  stopMsMax: 5_000,
}
