import { z } from 'zod'

import { REGION_OPERATIONS } from './openapi-regions.ts'
import * as schemas from './openapi-schemas.ts'
import type { Answer, Operation } from './openapi.ts'
import { listQuery, retryBody } from './routes/dead-letters.ts'

const JSON_TYPES = ['application/x-ndjson', 'application/json']
const error = (is: string): Answer => ({ is, schema: schemas.error })
const busy = error('No room now; `Retry-After` says when to come again')
const page = (is: string): Answer => ({ is, type: 'text/html' })
const file = { 200: { is: 'A file', type: 'application/octet-stream' }, 404: error('No such file') }
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

const INGEST: readonly Operation[] = [
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

const LIVE: readonly Operation[] = [
  {
    ...{ method: 'get', path: '/live', tag: 'Live', needs: 'view' },
    summary: 'The live map, as server-sent events',
    more: 'Events `snapshot`, `delta` (each with an id) and `kpi`; `Last-Event-ID` goes on after one.',
    query: z.object({ lastEventId: z.string().optional() }),
    answers: {
      200: { is: 'A stream', type: 'text/event-stream' },
      503: error('All streams are taken'),
    },
  },
  {
    ...{ method: 'get', path: '/api/sessions/:id', tag: 'Sessions', needs: 'view' },
    summary: 'A session',
    params: z.object({ id: z.string() }),
    answers: { 200: { is: 'A session', schema: schemas.sessionCard }, 404: error('Not stored') },
  },
  {
    ...{ method: 'get', path: '/api/sessions/:id/trail', tag: 'Sessions', needs: 'view' },
    summary: 'Where a session has been',
    params: z.object({ id: z.string() }),
    query: z.object({ minutes: z.int().min(1).max(1_440).default(30) }),
    answers: { 200: { is: 'Points', schema: schemas.trail }, 400: error('Not understood') },
  },
]

const DEAD_LETTERS: readonly Operation[] = [
  {
    ...{ method: 'get', path: '/api/dead-letters', tag: 'Dead letters', needs: 'operate' },
    summary: 'What was refused and why, newest first',
    query: listQuery,
    answers: { 200: { is: 'A page', schema: schemas.deadLetters }, 400: error('Not understood') },
  },
  {
    ...{
      method: 'post',
      path: '/api/dead-letters/:id/retry',
      tag: 'Dead letters',
      needs: 'operate',
    },
    summary: 'Reads one again',
    params: z.object({ id: z.string().describe('Such as 0-17-0') }),
    answers: {
      200: { is: 'What came of it', schema: schemas.retried },
      404: error('Not stored'),
      409: error('Only a part of it was kept'),
      503: busy,
    },
  },
  {
    ...{ method: 'post', path: '/api/dead-letters/retry', tag: 'Dead letters', needs: 'operate' },
    summary: 'Reads many again, oldest first',
    body: { types: ['application/json'], schema: retryBody },
    answers: {
      200: { is: 'What came of them', schema: schemas.retriedPage },
      400: error('Not understood'),
    },
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
const running = z.object({ running: z.boolean() })

const OPERATIONS_OF_IT: readonly Operation[] = [
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
  {
    ...{ method: 'post', path: '/api/demo', tag: 'Operations', needs: 'operate' },
    summary: 'Starts or stops the demo fleet',
    body: { types: ['application/json'], schema: running },
    answers: { 200: { is: 'As it is now', schema: running }, 400: error('Not understood') },
  },
]

const pageAt = (path: string, summary: string, answers: Operation['answers']): Operation => ({
  ...{ method: 'get', path, tag: 'Pages', needs: 'nothing' },
  ...{ summary, answers },
})
const signedOut = { 302: { is: 'To the sign-in page, when not signed in' } }
const form = {
  types: ['application/x-www-form-urlencoded'],
  schema: z.object({ password: z.string().max(512) }),
}

const PAGES: readonly Operation[] = [
  pageAt('/', 'The live map', { 200: page('A page'), ...signedOut }),
  pageAt('/regions', 'The regions', { 200: page('A page'), ...signedOut }),
  pageAt('/docs', 'This interface, to read', { 200: page('A page'), ...signedOut }),
  pageAt('/redoc', 'The same', { 302: { is: 'To /docs' } }),
  {
    ...pageAt('/openapi.json', 'This interface, as OpenAPI 3.1', {
      200: { is: 'A document', schema: z.looseObject({ openapi: z.string() }) },
    }),
    needs: 'view',
  },
  pageAt('/sign-in', 'The sign-in page', { 200: page('A page'), 302: { is: 'Signed in already' } }),
  {
    ...pageAt('/sign-in', 'Signs in', {
      303: { is: 'Signed in: to the map' },
      400: error('No such form'),
      401: page('A wrong password'),
      403: error('Asked by a page of another site'),
      429: page('Too many attempts'),
    }),
    ...{ method: 'post', body: form },
  },
  {
    ...pageAt('/sign-out', 'Signs out', {
      303: { is: 'To the sign-in page' },
      403: error('Asked by a page of another site'),
    }),
    method: 'post',
  },
  {
    ...pageAt('/assets/*', 'A file that pages are made of', file),
    params: z.object({ file: z.string() }),
  },
  pageAt('/favicon.ico', 'The icon', file),
  pageAt('/favicon.svg', 'The icon', file),
]

/** Every route over HTTP, in the order in which a reader wants them. */
export const OPERATIONS: readonly Operation[] = [
  ...[...INGEST, ...REGION_OPERATIONS, ...LIVE, ...DEAD_LETTERS],
  ...[...OPERATIONS_OF_IT, ...PAGES],
]
