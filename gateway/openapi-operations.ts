import { z } from 'zod'

import { REGION_OPERATIONS } from './openapi-regions.ts'
import { busy, DOCS, error, INGEST, page, pageAt, signedOut, STATE } from './openapi-roles.ts'
import * as schemas from './openapi-schemas.ts'
import type { Operation } from './openapi.ts'
import { listQuery, retryBody } from './routes/dead-letters.ts'

const file = { 200: { is: 'A file', type: 'application/octet-stream' }, 404: error('No such file') }

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

const running = z.object({ running: z.boolean() })

const DEMO: readonly Operation[] = [
  {
    ...{ method: 'post', path: '/api/demo', tag: 'Operations', needs: 'operate' },
    summary: 'Starts or stops the demo fleet',
    body: { types: ['application/json'], schema: running },
    answers: { 200: { is: 'As it is now', schema: running }, 400: error('Not understood') },
  },
]

const form = {
  types: ['application/x-www-form-urlencoded'],
  schema: z.object({ password: z.string().max(512) }),
}

const PAGES: readonly Operation[] = [
  pageAt('/', 'The live map', { 200: page('A page'), ...signedOut }),
  pageAt('/regions', 'The regions', { 200: page('A page'), ...signedOut }),
  ...DOCS,
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
  ...[...STATE, ...DEMO, ...PAGES],
]
