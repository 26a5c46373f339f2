import { parseLossless, stringifyLossless } from './lossless-json.ts'
import {
  applyChange,
  type Change,
  newMetadata,
  type TableDefinition,
  type TableMetadata,
  unmetRequirement,
} from './metadata.ts'
import type { Around } from './s3-testing.ts'

type Held = { metadata: TableMetadata; version: number }

/** As much of the Iceberg REST protocol as a writer uses, for faults and for habits that other catalogs have. */
export class FakeRest implements Disposable {
  readonly tables = new Map<string, Held>()
  readonly namespaces = new Set<string>()
  readonly requests: Request[] = []
  around: Around = (_request, serve) => serve()
  /** What /v1/config says. */
  config: Readonly<Record<string, unknown>> = { defaults: {}, overrides: {} }
  /** Sent with each table. */
  vended: Readonly<Record<string, unknown>> = { config: {} }
  tokens = 0
  /** The path before namespaces. */
  root = '/v1'
  readonly #server: Bun.Server<undefined>

  constructor() {
    this.#server = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      idleTimeout: 0,
      fetch: async (request) => {
        const text = await request.text()
        const copy = new Request(request.url, { method: request.method, headers: request.headers })
        this.requests.push(copy)
        return this.around(copy, async () => this.#serve(copy, text))
      },
    })
  }

  get uri(): string {
    return `http://127.0.0.1:${this.#server.port}`
  }

  [Symbol.dispose](): void {
    void this.#server.stop(true)
  }

  #serve(request: Request, text: string): Response {
    const { pathname } = new URL(request.url)
    if (pathname === '/v1/config') return json(this.config)
    if (pathname === '/v1/oauth/tokens') {
      return json({ access_token: `token-${++this.tokens}`, expires_in: 3_600 })
    }
    const parts = pathname.slice(this.root.length).split('/').slice(2)
    const [namespace = '', , table] = parts
    if (!pathname.startsWith(`${this.root}/namespaces`))
      return new Response('page', { status: 404 })
    const body = text === '' ? {} : (parseLossless(text) as Readonly<Record<string, unknown>>)
    if (parts.length === 0) return this.#createNamespace(body)
    if (parts.length === 1) {
      return this.namespaces.has(namespace) ? json({}) : failed(404, 'NoSuchNamespaceException')
    }
    if (table === undefined) return this.#create(namespace, body)
    const held = this.tables.get(`${namespace}/${table}`)
    if (!held) return failed(404, 'NoSuchTableException')
    return request.method === 'GET' ? this.#load(request, held) : this.#commit(held, body)
  }

  #createNamespace({ namespace }: Readonly<Record<string, unknown>>): Response {
    const name = (namespace as readonly string[]).join('%1F')
    if (this.namespaces.has(name)) return failed(409, 'AlreadyExistsException')
    this.namespaces.add(name)
    return json({ namespace })
  }

  #create(namespace: string, body: Readonly<Record<string, unknown>>): Response {
    const key = `${namespace}/${String(body['name'])}`
    if (body['stage-create'] !== false) return failed(400, 'it would only be staged')
    if (this.tables.has(key)) return failed(409, 'AlreadyExistsException')
    const definition = {
      uuid: crypto.randomUUID(),
      location: `s3://lake/chosen/${key}`,
      ...body,
      spec: body['partition-spec'],
    } as TableDefinition & { location: string }
    const held: Held = { metadata: newMetadata(definition, Date.now()), version: 0 }
    // As Java's catalogs send a table without snapshots.
    const { refs: _refs, ...metadata } = held.metadata
    held.metadata = { ...metadata, 'current-snapshot-id': -1 } as unknown as TableMetadata
    this.tables.set(key, held)
    return this.#load(null, held)
  }

  #load(request: Request | null, { metadata, version }: Held): Response {
    const etag = `v${version}`
    if (request?.headers.get('if-none-match') === etag) return new Response(null, { status: 304 })
    const answer = { 'metadata-location': `s3://lake/m/${version}.json`, metadata, ...this.vended }
    return json(answer, { etag })
  }

  #commit(held: Held, body: Readonly<Record<string, unknown>>): Response {
    const change = body as unknown as Change
    const metadata = { ...held.metadata, refs: held.metadata.refs ?? {} }
    const unmet = unmetRequirement(metadata, change)
    if (unmet !== null) return failed(409, 'CommitFailedException')
    const previous = `s3://lake/m/${held.version}.json`
    held.metadata = applyChange(metadata, change, { nowMs: Date.now(), previous, logMax: 20 })
    held.version++
    const location = `s3://lake/m/${held.version}.json`
    return json({ 'metadata-location': location, metadata: held.metadata })
  }
}

/** An error as a catalog says it. */
export function failed(code: number, type: string): Response {
  const body = JSON.stringify({ error: { message: `fake ${type}`, type, code } })
  return new Response(body, { status: code, headers: { 'content-type': 'application/json' } })
}

function json(value: unknown, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(stringifyLossless(value), {
    headers: { 'content-type': 'application/json', ...headers },
  })
}
