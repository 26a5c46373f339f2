import { z } from 'zod'

import { wirePing } from '../actors/model/ping.ts'
import { wireTrip } from '../actors/model/trip.ts'

/** Our own refusals. */
export const error = z.object({ error: z.object({ code: z.string(), message: z.string() }) })
/** StreamPulse's refusals. */
export const detail = z.object({ detail: z.string() })
/** StreamPulse's refusals of inputs. */
export const problems = z.object({
  detail: z.array(
    z.object({
      loc: z.array(z.string()),
      msg: z.string(),
      type: z.string(),
      ctx: z.any().optional(),
    }),
  ),
})

const refused = z.object({
  ...{ index: z.int(), code: z.string(), path: z.string() },
  ...{ expected: z.string(), received: z.string(), message: z.string() },
})
const counts = {
  accepted: z.int(),
  refused: z.array(refused).describe('The first hundred'),
  refusedCount: z.int(),
}
/** What became of a body of pings or trips. */
export const taken = z.object({
  ...counts,
  duplicates: z.int().optional(),
  late: z.int().optional().describe('Trips whose minute was final; with duplicates=count'),
})
/** The same when nothing of it was accepted. */
export const notAccepted = z.object({ ...error.shape, ...counts })
/** One ping, a list of them, or one a line. */
export const pings = z.union([z.looseObject(wirePing.shape), z.array(z.looseObject({}))])
/** One trip, a list of them, or one a line. */
export const trips = z.union([wireTrip, z.array(z.looseObject({}))])

/** `2025-09-01T11:40:00+00:00`. */
const time = z.string().meta({ format: 'date-time' })
const ms = z.number().describe('Milliseconds since 1970 UTC')
const figures = {
  avgFare: z.number(),
  totalDistance: z.number().describe('Kilometres'),
  avgDuration: z.number().describe('Seconds'),
  p50Duration: z.number(),
  p95Duration: z.number(),
}
const more = {
  totalFare: z.number(),
  minFare: z.number(),
  maxFare: z.number(),
  minDistance: z.number(),
  maxDistance: z.number(),
  minDuration: z.number(),
  maxDuration: z.number(),
  lateCount: z.int().describe('Trips that came after it was final'),
  final: z.boolean().describe('False while trips may still come on time'),
  revision: z.int().describe('How often it changed after it was final'),
}
/** A window as StreamPulse names its fields. */
export const windowMetrics = z.object({
  regionId: z.int(),
  windowStart: time,
  windowEnd: time,
  tripCount: z.int(),
  ...figures,
  windowSize: z.enum(['1m', '5m', '15m', '1h']),
  ...more,
})
/** Regions by one metric. */
export const ranking = z.object({
  ...{ window: z.string(), metric: z.string() },
  ...{ windowStart: z.string().nullable(), windowEnd: z.string().nullable() },
  regions: z.array(
    z.object({ rank: z.int(), regionId: z.int(), value: z.number(), window: windowMetrics }),
  ),
})
/** Windows of one region, oldest first. */
export const timeline = z.object({
  ...{ regionId: z.int(), window: z.string(), hours: z.int() },
  ...{ from: z.string(), to: z.string(), windows: z.array(windowMetrics) },
})
/** Windows for our own page. */
export const regionWindows = z.object({
  windows: z.array(
    z.object({
      ...{ regionId: z.int(), sizeS: z.int(), startMs: ms, tripCount: z.int() },
      ...{ ...figures, ...more },
    }),
  ),
})
/** Deliveries by region and window. */
export const regionDeliveries = z.object({
  deliveries: z.array(
    z.object({
      ...{ regionId: z.int(), startMs: ms, sizeS: z.int() },
      ...{ active: z.int(), started: z.int(), completed: z.int() },
      ...{ meanSpeedKmh: z.number().nullable(), distanceKm: z.number(), final: z.boolean() },
    }),
  ),
})
/** The ground of regions. */
export const regionMap = z.object({
  type: z.literal('FeatureCollection'),
  features: z.array(
    z.looseObject({ properties: z.object({ region_id: z.int(), name: z.string() }) }),
  ),
})

/** A session's card. */
export const sessionCard = z.object({
  ...{ sessionId: z.string(), vehicleId: z.string(), orderId: z.string(), deviceId: z.string() },
  ...{ startLat: z.number(), startLng: z.number(), endLat: z.number(), endLng: z.number() },
  ...{ createdAtMs: ms, pings: z.int(), distanceM: z.number() },
  events: z.array(z.object({ status: z.string(), atMs: ms })),
})
/** Where a session has been, oldest first. */
export const trail = z.array(
  z.object({
    ...{ atMs: ms, lat: z.number(), lng: z.number() },
    ...{ speedKmh: z.number().nullable(), status: z.string() },
  }),
)

const came = z.enum(['accepted', 'partial', 'refused'])
/** A page of dead letters. */
export const deadLetters = z.object({
  deadLetters: z.array(
    z.object({
      ...{ id: z.string(), code: z.string(), path: z.string() },
      ...{ expected: z.string(), received: z.string(), message: z.string(), raw: z.string() },
      ...{ rawEncoding: z.enum(['utf8', 'base64']), truncated: z.boolean(), receivedMs: ms },
      ...{ source: z.string(), retries: z.int(), outcome: came.nullable() },
      ...{ retriedMs: ms.nullable(), retryMessage: z.string() },
    }),
  ),
  next: z.string().nullable(),
  total: z.int(),
  byCode: z.record(z.string(), z.int()),
})
/** What came of one letter. */
export const retried = z.object({
  ...{ id: z.string(), outcome: came, again: z.boolean(), pings: z.int(), refused: z.int() },
  ...{ code: z.string(), path: z.string(), message: z.string() },
})
/** What came of many. */
export const retriedPage = z.object({
  ...{ retried: z.int(), accepted: z.int(), partial: z.int(), refused: z.int(), pings: z.int() },
  refusals: z.array(
    z.object({ id: z.string(), code: z.string(), path: z.string(), message: z.string() }),
  ),
  ...{ remaining: z.int(), cut: z.int(), next: z.string().nullable(), stopped: z.any() },
})

const part = z.object({
  status: z.enum(['healthy', 'degraded', 'unhealthy']),
  detail: z.string().optional(),
})
const connection = z.enum(['connected', 'connection_failed', 'disconnected'])
/** How the process is, part by part. */
export const health = z.object({
  status: part.shape.status,
  service: z.string(),
  timestamp: time,
  services: z.object({
    redis: connection.optional().describe('What serves windows, where this process does'),
    kafka: connection.describe('The way in'),
    api: z.literal('running'),
    response_time_ms: z.string(),
  }),
  parts: z.record(z.string(), part),
})
