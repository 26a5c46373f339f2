import { z } from 'zod'

import * as schemas from './openapi-schemas.ts'
import type { Answer, Operation } from './openapi.ts'

const JSON_TYPES = ['application/x-ndjson', 'application/json']

/** A refusal in our own form. */
export const error = (is: string): Answer => ({ is, schema: schemas.error })
/** Not taken now. */
export const busy = error('No room now; `Retry-After` says when to come again')
/** A page. */
export const page = (is: string): Answer => ({ is, type: 'text/html' })
const duplicates = z.enum(['count']).optional().describe('Wait, and count repeats')

const takes = (
  what: string,
  schema: z.ZodType,
  more: readonly string[] = [],
): Pick<Operation, 'query' | 'body' | 'answers'> => ({
  query: z.object({ duplicates }),
  body: { types: [...JSON_TYPES, ...more], schema },
  answers: {
    200: {
      is: `${what} are on disk; refused ones are kept as dead letters`,
      schema: schemas.taken,
    },
    400: { is: 'Nothing was accepted', schema: schemas.notAccepted },
    408: error('The body took too long'),
    413: error('Too large'),
    415: error('A type or encoding that is not understood'),
    429: error('Too many for this key'),
    503: busy,
  },
})

/** What a process serves that takes messages. */
export const INGEST: readonly Operation[] = [
  {
    ...{ method: 'post', path: '/ingest', tag: 'Ingest', needs: 'key' },
    summary: 'Sends pings: one object, a list, or one a line; gzip and zstd are understood',
    ...takes('Pings', schemas.pings),
  },
  {
    ...{ method: 'post', path: '/ingest/trips', tag: 'Ingest', needs: 'key' },
    summary: 'Sends trips, likewise, or as a table: text/csv with a head',
    ...takes('Trips', schemas.trips, ['text/csv']),
  },
  {
    ...{ method: 'post', path: '/ingest/trips/flush', tag: 'Ingest', needs: 'key' },
    summary: 'Says that an input has ended: its open windows become final',
    answers: {
      200: { is: 'Done, and on disk', schema: z.object({ flushed: z.literal(true) }) },
      429: error('Too many for this key'),
      503: busy,
    },
  },
  {
    ...{ method: 'get', path: '/ws', tag: 'Ingest', needs: 'key', socket: true },
    summary: 'A WebSocket of pings',
    more: 'The key comes with the upgrade, or in the first frame; one reply to each frame, in order.',
    answers: { 101: { is: 'A socket' }, 503: busy },
  },
  {
    ...{ method: 'get', path: '/ws/trips', tag: 'Ingest', needs: 'key', socket: true },
    summary: 'A WebSocket of trips',
    answers: { 101: { is: 'A socket' }, 503: busy },
  },
]

const state = (path: string, summary: string, answers: Operation['answers']): Operation => ({
  ...{ method: 'get', path, tag: 'Operations', needs: 'nothing' },
  ...{ summary, answers },
})
const health = {
  200: { is: 'Well, or degraded', schema: schemas.health },
  503: { is: 'A part is unhealthy', schema: schemas.health },
}
const ready = {
  200: { is: 'Ready', schema: z.object({ status: z.literal('ready') }) },
  503: {
    is: 'Not ready',
    schema: z.object({ status: z.literal('not_ready'), ...schemas.error.shape }),
  },
}
/** What every process serves of itself. */
export const STATE: readonly Operation[] = [
  state('/health', 'How it is, part by part; nothing is written to find out', health),
  state('/healthz', 'The same', health),
  state('/ready', 'Whether it takes messages', ready),
  state('/readyz', 'The same', ready),
  {
    ...state('/metrics', 'The process in numbers, for Prometheus', {
      200: { is: 'Text exposition format 0.0.4', type: 'text/plain' },
    }),
    needs: 'view',
  },
]

/** A page, which needs nothing: who may not see it is sent to sign in. */
export const pageAt = (
  path: string,
  summary: string,
  answers: Operation['answers'],
): Operation => ({
  ...{ method: 'get', path, tag: 'Pages', needs: 'nothing' },
  ...{ summary, answers },
})
/** What a page answers beside itself. */
export const signedOut = { 302: { is: 'To the sign-in page, when not signed in' } }

/** Every process describes itself. */
export const DOCS: readonly Operation[] = [
  pageAt('/docs', 'This interface, to read', { 200: page('A page'), ...signedOut }),
  pageAt('/redoc', 'The same', { 302: { is: 'To /docs' } }),
  {
    ...pageAt('/openapi.json', 'This interface, as OpenAPI 3.1', {
      200: { is: 'A document', schema: z.looseObject({ openapi: z.string() }) },
    }),
    needs: 'view',
  },
]
