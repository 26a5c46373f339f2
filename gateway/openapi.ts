import { z } from 'zod'

/** Who may ask: everybody, who sees the map, who runs the system, or who shows an ingest key. */
export type Need = 'nothing' | 'view' | 'operate' | 'key'

/** What one status answers. */
export type Answer = Readonly<{ is: string; type?: string; schema?: z.ZodType }>

/** One route, described once: the page, the document and the test that no route is missing read it here. */
export type Operation = Readonly<{
  method: 'get' | 'post'
  /** As the router has it: `/api/sessions/:id`. */
  path: string
  tag: string
  summary: string
  more?: string
  needs: Need
  params?: z.ZodObject
  query?: z.ZodObject
  body?: Readonly<{ types: readonly string[]; schema: z.ZodType }>
  answers: Readonly<Record<number, Answer>>
  /** Upgraded before the router: it is none of its routes. */
  socket?: true
}>

type Json = Readonly<Record<string, unknown>>

/** The version of this interface: a change that breaks its users raises the first number. */
const INTERFACE_VERSION = '1.0.0'

const SECURITY: Readonly<Record<Need, readonly Json[]>> = {
  nothing: [],
  view: [{ session: [] }, {}],
  operate: [{ session: [] }, {}],
  key: [{ key: [] }, { keyHeader: [] }],
}

/** The document at `/openapi.json`: OpenAPI 3.1, whose schemas are JSON Schema as zod writes it. */
export function openApiDocument(operations: readonly Operation[]): Json {
  const paths: Record<string, Record<string, Json>> = {}
  for (const operation of operations) {
    const path = templateOf(operation.path)
    const at = paths[path] ?? {}
    at[operation.method] = operationJson(operation)
    paths[path] = at
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Orrery',
      version: INTERFACE_VERSION,
      description:
        'Pings and trips in, exactly once; the live map, sessions, regions and their event-time windows out. ' +
        'Unless configured otherwise this machine’s own browser may ask everything without signing in.',
    },
    tags: [...new Set(operations.map(({ tag }) => tag))].map((name) => ({ name })),
    paths,
    components: {
      securitySchemes: {
        key: { type: 'http', scheme: 'bearer', description: 'An ingest key' },
        keyHeader: { type: 'apiKey', in: 'header', name: 'X-API-Key', description: 'The same' },
        session: { type: 'apiKey', in: 'cookie', name: 'orrery_session', description: 'A sign-in' },
      },
    },
  }
}

/** `/api/sessions/:id` as `/api/sessions/{id}`. */
export function templateOf(path: string): string {
  return path.replace(/:(\w+)/g, '{$1}').replace(/\*$/, '{file}')
}

/** A zod schema as JSON Schema; `input` is what a caller writes, `output` what one reads. */
export function schemaJson(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _, ...json } = z.toJSONSchema(schema, { io, unrepresentable: 'any' })
  return json
}

function operationJson(operation: Operation): Json {
  const { method, path, tag, summary, more, needs, params, query, body, answers } = operation
  const parameters = [...parametersOf('path', params), ...parametersOf('query', query)]
  return {
    operationId: `${method}${templateOf(path).replace(/[\W_]+(\w?)/g, (_, next: string) => next.toUpperCase())}`,
    tags: [tag],
    summary,
    ...(more !== undefined && { description: more }),
    security: SECURITY[needs],
    ...(parameters.length > 0 && { parameters }),
    ...(body && {
      requestBody: { required: true, content: contentOf(body.types, body.schema, 'input') },
    }),
    responses: Object.fromEntries(
      Object.entries({ ...answers, ...refusalsOf(needs) }).map(([status, { is, type, schema }]) => [
        status,
        {
          description: is,
          ...((type !== undefined || schema) && {
            content: contentOf([type ?? 'application/json'], schema, 'output'),
          }),
        },
      ]),
    ),
  }
}

const ERROR = z.object({ error: z.object({ code: z.string(), message: z.string() }) })

function refusalsOf(needs: Need): Readonly<Record<number, Answer>> {
  switch (needs) {
    case 'nothing':
      return {}
    case 'key':
      return { 401: { is: 'No ingest key, or a wrong one', schema: ERROR } }
    case 'view':
    case 'operate':
      return {
        401: { is: 'Not signed in', schema: ERROR },
        403: { is: 'Asked by a page of another site', schema: ERROR },
      }
  }
}

function contentOf(
  types: readonly string[],
  schema: z.ZodType | undefined,
  io: 'input' | 'output',
): Json {
  const json = schema ? { schema: schemaJson(schema, io) } : {}
  return Object.fromEntries(types.map((type) => [type, json]))
}

function parametersOf(place: 'path' | 'query', schema: z.ZodObject | undefined): Json[] {
  if (!schema) return []
  return Object.entries(schema.shape).map(([name, field]) => {
    const { description, ...json } = schemaJson(z.object({ [name]: field }), 'input')
    const own = propertyOf(json, name)
    const required =
      place === 'path' || !z.safeParse(schema.shape[name] ?? z.any(), undefined).success
    return {
      name,
      in: place,
      required,
      ...(description !== undefined && { description }),
      schema: own,
    }
  })
}

function propertyOf(json: Json, name: string): unknown {
  const { properties } = json
  return typeof properties === 'object' && properties !== null ? Reflect.get(properties, name) : {}
}
