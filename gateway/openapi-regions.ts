import { z } from 'zod'

import * as schemas from './openapi-schemas.ts'
import type { Operation } from './openapi.ts'
import { TIME_EXPECTED } from './query.ts'
import { HOURS_MAX, OFFSET_MAX, TOP_MAX, TOP_METRICS } from './routes/region-metrics.ts'
import { deliveriesQuery, windowsQuery } from './routes/regions.ts'

const window = z.enum(['1m', '5m', '15m', '1h']).default('1m')
const params = z.object({ region_id: z.int().describe('1 to 100') })
const badQuery = { is: 'An input that is not understood', schema: schemas.error }
const refusals = {
  400: { is: 'A window size, or metric, that is not kept', schema: schemas.detail },
  422: { is: 'An input that is not what it must be', schema: schemas.problems },
  503: { is: 'The store does not answer; ask again', schema: schemas.detail },
}
const none = { is: 'The region has no such window', schema: schemas.detail }

/** Routes about regions: StreamPulse's and those of our own page. */
export const REGION_OPERATIONS: readonly Operation[] = [
  {
    ...{ method: 'get', path: '/metrics/region/:region_id', tag: 'Regions', needs: 'view' },
    summary: 'The newest window of a region',
    more: 'Provisional windows included: see `final`. With `offset`, the one that has so many newer ones.',
    params,
    query: z.object({ window, offset: z.int().min(0).max(OFFSET_MAX).default(0) }),
    answers: { 200: { is: 'A window', schema: schemas.windowMetrics }, 404: none, ...refusals },
  },
  {
    ...{ method: 'get', path: '/metrics/regions/top', tag: 'Regions', needs: 'view' },
    summary: 'Regions ranked by a metric',
    more: 'All by their window of one same start: the newest that any region has, or the one `at` is in.',
    query: z.object({
      window,
      metric: z.enum(Object.keys(TOP_METRICS)).default('trip_count'),
      limit: z.int().min(1).max(TOP_MAX).default(10),
      at: z.string().describe(TIME_EXPECTED).optional(),
    }),
    answers: { 200: { is: 'A ranking', schema: schemas.ranking }, ...refusals },
  },
  {
    ...{ method: 'get', path: '/metrics/timeline/:region_id', tag: 'Regions', needs: 'view' },
    summary: 'Windows of a region, oldest first',
    more: 'Hours are of event time, counted back from the region’s newest window.',
    params,
    query: z.object({ hours: z.int().min(1).max(HOURS_MAX).default(1), window }),
    answers: { 200: { is: 'Windows', schema: schemas.timeline }, 404: none, ...refusals },
  },
  {
    ...{ method: 'get', path: '/api/regions/map', tag: 'Regions', needs: 'view' },
    summary: 'The regions as GeoJSON',
    answers: {
      200: { is: 'Regions', type: 'application/geo+json', schema: schemas.regionMap },
    },
  },
  {
    ...{ method: 'get', path: '/api/regions/windows', tag: 'Regions', needs: 'view' },
    summary: 'The newest windows of a region in a stretch of event time, oldest first',
    query: windowsQuery,
    answers: { 200: { is: 'Windows', schema: schemas.regionWindows }, 400: badQuery },
  },
  {
    ...{ method: 'get', path: '/api/regions/deliveries', tag: 'Regions', needs: 'view' },
    summary: 'Deliveries by region and window, from their pings',
    query: deliveriesQuery,
    answers: { 200: { is: 'Figures', schema: schemas.regionDeliveries }, 400: badQuery },
  },
  {
    ...{ method: 'get', path: '/live/regions', tag: 'Live', needs: 'view' },
    summary: 'Windows of regions as they change, as server-sent events',
    more:
      'Events `snapshot` and `delta`, each with an id; `Last-Event-ID`, or the query `lastEventId`, goes on ' +
      'after one. A comment is a heartbeat.',
    query: z.object({ lastEventId: z.string().optional() }),
    answers: {
      200: { is: 'A stream', type: 'text/event-stream' },
      503: { is: 'All streams are taken', schema: schemas.error },
    },
  },
]
