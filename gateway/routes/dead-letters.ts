import { type Context, Hono } from 'hono'
import { z } from 'zod'

import { type DeadLetterFilter, parseDeadLetterId } from '../../actors/model/dead-letter.ts'
import { errorResponse, retryAfter } from '../http-error.ts'
import type { NotTaken, Process, Reader } from '../ports.ts'
import { badInput, textAs, TIME_EXPECTED, timeMsOf } from '../query.ts'
import { type DeadLetterRetries, RETRY_LETTERS_MAX } from '../retries.ts'

const LIST_DEFAULT = 100
const LIST_MAX = 500
/** A list waits so long for what was refused just now, and then shows what there is. */
const QUERYABLE_MS_MAX = 1_000

const code = z
  .string()
  .regex(/^[a-z0-9_]{1,64}$/, { error: 'expected a code such as invalid_ping' })
const path = z.string().max(256)
const source = z.string().max(255)
const time = textAs(timeMsOf, TIME_EXPECTED)
const letterId = textAs(parseDeadLetterId, 'the id of a dead letter, such as 0-17-0')
const cursor = textAs(
  (text) => parseDeadLetterId(text) ?? timeMsOf(text),
  'the id of a dead letter, or a time',
)
const outcome = z.enum(['accepted', 'partial', 'refused'])

/** The query of a list. */
export const listQuery = z.strictObject({
  limit: textAs(limitOf, `a whole number from 1 to ${LIST_MAX}`).default(LIST_DEFAULT),
  before: cursor.optional(),
  code: code.optional(),
  path: path.optional(),
  source: source.optional(),
  since: time.optional(),
  retried: z
    .enum(['yes', 'no'])
    .transform((text) => text === 'yes')
    .optional(),
  outcome: outcome.optional(),
})

/** The body of a retry of many. */
export const retryBody = z.strictObject({
  code: code.optional(),
  path: path.optional(),
  source: source.optional(),
  since: z.union([z.number().min(0).max(1e15), time]).optional(),
  limit: z.number().int().min(1).max(RETRY_LETTERS_MAX).default(RETRY_LETTERS_MAX),
  after: letterId.optional(),
})

/** What the routes are made of. `guard` answers who may not ask. */
export type DeadLetterSetting<Asked extends Context> = Readonly<{
  reader: Reader
  process: Process
  /** Null where there is no way in: letters are listed then, and not retried. */
  retries: DeadLetterRetries | null
  /** Roles of this process, to say who does not retry. */
  roles: string
  guard: (context: Asked) => Response | null
}>

/** Dead letters: listed and filtered, and retried one by one or many, as `/`, `/:id/retry` and `/retry`. */
export function deadLetterRoutes<Env extends object>(
  setting: DeadLetterSetting<Context<Env>>,
): Hono<Env> {
  const { guard, retries, roles } = setting
  const routes = new Hono<Env>()

  routes.get('/', async (context) => guard(context) ?? list(context.req.query(), setting))

  routes.post('/retry', async (context) => {
    const refused = guard(context)
    if (refused) return refused
    if (!retries) return noWayIn(roles)
    const parsed = retryBody.safeParse(await jsonOf(context.req.raw))
    if (!parsed.success) return badInput('bad_body', parsed.error)
    const { limit, after, ...choice } = parsed.data
    const page = await retries.page({ ...filterOf(choice), limit, ...(after && { after }) })
    return Response.json(page)
  })

  routes.post('/:id/retry', async (context) => {
    const refused = guard(context)
    if (refused) return refused
    if (!retries) return noWayIn(roles)
    const name = parseDeadLetterId(context.req.param('id') ?? '')
    const retried = name ? await retries.one(name) : ({ why: 'unknown' } as const)
    if (!('why' in retried)) return Response.json(retried)
    switch (retried.why) {
      case 'unknown':
        return errorResponse(404, 'no_dead_letter', 'no dead letter of this id is stored')
      case 'cut':
        return errorResponse(
          409,
          'cut',
          'only the beginning of this message was kept: it cannot be retried, its sender must send it again',
        )
      case 'not taken':
        return notTaken(retried.outcome)
    }
  })

  const post = (): Response =>
    errorResponse(405, 'method_not_allowed', 'this address takes POST', { allow: 'POST' })
  routes.all('/retry', post)
  routes.all('/:id/retry', post)
  return routes
}

async function list<Env extends object>(
  query: Readonly<Record<string, string>>,
  { reader, process }: DeadLetterSetting<Context<Env>>,
): Promise<Response> {
  const parsed = listQuery.safeParse(query)
  if (!parsed.success) return badInput('bad_query', parsed.error)
  const { limit, before, ...choice } = parsed.data
  const filter = filterOf(choice)
  await process.queryable(QUERYABLE_MS_MAX)
  const { code: _, ...anyCode } = filter
  const [deadLetters, byCode] = await Promise.all([
    reader.deadLetters({
      ...filter,
      limit,
      ...(typeof before === 'number' && { beforeMs: before }),
      ...(typeof before === 'object' && { before }),
    }),
    reader.deadLetterCounts(anyCode),
  ])
  if (deadLetters === null) {
    return errorResponse(400, 'bad_query', 'before: no dead letter of this id is stored')
  }
  const all = Object.values(byCode).reduce((sum, count) => sum + count, 0)
  const total = filter.code === undefined ? all : (byCode[filter.code] ?? 0)
  const next = deadLetters.length < limit ? null : (deadLetters.at(-1)?.id ?? null)
  return Response.json({ deadLetters, next, total, byCode })
}

function limitOf(text: string): number | null {
  const limit = /^\d{1,6}$/.test(text) ? Number(text) : 0
  return limit >= 1 && limit <= LIST_MAX ? limit : null
}

type Choice = Readonly<{
  [Name in 'code' | 'path' | 'source']?: string | undefined
}> &
  Readonly<{
    since?: number | undefined
    retried?: boolean | undefined
    outcome?: DeadLetterFilter['outcome'] | undefined
  }>

function filterOf({ code, path, source, since, retried, outcome }: Choice): DeadLetterFilter {
  return {
    ...(code !== undefined && { code }),
    ...(path !== undefined && { path }),
    ...(source !== undefined && { source }),
    ...(since !== undefined && { sinceMs: Math.floor(since) }),
    ...(retried !== undefined && { retried }),
    ...(outcome !== undefined && { outcome }),
  }
}

/** Nothing at all means everything: `POST /retry` without a body. */
async function jsonOf(request: Request): Promise<unknown> {
  const text = await request.text()
  if (text.trim() === '') return {}
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

function notTaken({ code, message, retryAfterMs }: NotTaken): Response {
  return errorResponse(503, code, message, retryAfter(retryAfterMs))
}

function noWayIn(roles: string): Response {
  const message = `this process has ROLES=${roles} and no way in for messages: retry at one that takes them`
  return errorResponse(503, 'not_here', message)
}
