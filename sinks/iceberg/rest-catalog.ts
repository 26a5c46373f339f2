import type { Clock } from '../../actors/kernel/clock.ts'
import { messageOf } from '../../actors/kernel/errors.ts'
import type { Catalog, CommitOutcome, Table } from './catalog.ts'
import { parseLossless, stringifyLossless } from './lossless-json.ts'
import { type Change, checkMetadata, type TableDefinition } from './metadata.ts'
import type { RestClient } from './rest-client.ts'
import {
  CatalogError,
  errorOf,
  refusal,
  type RestAnswer,
  type RestQuestion,
  textsOf,
} from './rest-http.ts'
import { vendedUntilMs } from './s3-access.ts'

/** Which table of a REST catalog. */
export type RestCatalogOptions = Readonly<{
  client: RestClient
  namespace: readonly string[]
  table: string
  clock: Clock
  /** Ask the catalog for keys to the table's files. */
  delegate: boolean
}>

type Vended = Readonly<Record<string, string>>

// Keys of the catalog are renewed when they end sooner than this.
const VENDED_MS_MIN = 60_000

/** One table of an Iceberg REST catalog. */
export class RestCatalog implements Catalog {
  readonly #options: RestCatalogOptions
  /** The tag of the version that was seen last, so that an unchanged table is not sent again. */
  #tag: Readonly<{ metadataPath: string; text: string }> | null = null
  #vended: Vended | null = null

  constructor(options: RestCatalogOptions) {
    this.#options = options
  }

  async load(known: Table | null): Promise<Table | null> {
    const { delegate } = this.#options
    const tag = known !== null && this.#tag?.metadataPath === known.metadataPath ? this.#tag : null
    const question: RestQuestion = {
      method: 'GET',
      url: await this.#url(),
      headers: {
        // A compressed answer has another tag, which some catalogs then do not know again.
        'accept-encoding': 'identity',
        ...(tag && !this.#vendedEnds() ? { 'if-none-match': tag.text } : {}),
        ...(delegate ? { 'x-iceberg-access-delegation': 'vended-credentials' } : {}),
      },
    }
    const answer = await this.#options.client.ask(question)
    if (answer.status === 304) return known
    // A page that is not there looks the same, but is not said in a catalog's words.
    if (answer.status === 404 && errorOf(answer.text)) return null
    if (answer.status !== 200) throw refusal(question, answer)
    const table = this.#tableOf(answer)
    return known?.metadataPath === table.metadataPath ? known : table
  }

  async create(definition: TableDefinition): Promise<Table> {
    const { client, namespace, table: name, delegate } = this.#options
    await this.#ensureNamespace()
    const { location, schema, spec, properties } = definition
    const question: RestQuestion = {
      method: 'POST',
      url: await client.url(namespace, 'tables'),
      headers: delegate ? { 'x-iceberg-access-delegation': 'vended-credentials' } : {},
      body: stringifyLossless({
        name,
        ...(location === null ? {} : { location }),
        schema,
        'partition-spec': spec,
        'write-order': { 'order-id': 0, fields: [] },
        // Some catalogs take an absent one for true.
        'stage-create': false,
        properties: { 'format-version': '2', ...properties },
      }),
    }
    const answer = await client.ask(question)
    if (answer.status === 200) return this.#tableOf(answer)
    // Made by somebody faster, or by a try of ours whose answer was lost.
    const table = answer.status === 409 ? await this.load(null) : null
    if (!table) throw refusal(question, answer)
    return table
  }

  async commit(base: Table, change: Change): Promise<CommitOutcome> {
    const { client, namespace, table: name } = this.#options
    const identifier = { namespace, name }
    const question: RestQuestion = {
      method: 'POST',
      url: await this.#url(),
      body: stringifyLossless({ identifier, ...change }),
      alone: true,
    }
    const answer = await client.askOnce(question).catch((cause: unknown) => {
      throw unknown(messageOf(cause), cause)
    })
    const { status } = answer
    if (status === 409) return { state: 'conflict', reason: errorOf(answer.text)?.message ?? '409' }
    if (status >= 500) throw unknown(refusal(question, answer).message)
    if (status === 404) {
      throw new CatalogError('the table is gone', { code: 'iceberg_gone', retriable: false })
    }
    if (status !== 200) throw refusal(question, answer)
    try {
      return { state: 'committed', table: this.#tableOf(answer) }
    } catch (cause) {
      throw unknown(`after ${base.metadataPath}: ${messageOf(cause)}`, cause)
    }
  }

  /** What the catalog says of the way to the table's files, renewed before its keys end. */
  async fileConfig(): Promise<Vended> {
    if (this.#vended && !this.#vendedEnds()) return this.#vended
    try {
      await this.load(null)
    } catch (cause) {
      // The old ones may still do; when they do not, the storage says so.
      if (!this.#vended) throw cause
    }
    return (this.#vended ??= {})
  }

  async #ensureNamespace(): Promise<void> {
    const { client, namespace } = this.#options
    const found = await client.ask({ method: 'GET', url: await client.url(namespace) })
    if (found.status === 200 || found.status === 204) return
    const body = stringifyLossless({ namespace, properties: {} })
    const question: RestQuestion = { method: 'POST', url: await client.url(null), body }
    const answer = await client.ask(question)
    if (answer.status !== 200 && answer.status !== 409) throw refusal(question, answer)
  }

  #tableOf({ text, headers }: RestAnswer): Table {
    const answer = parseLossless(text) as Readonly<Record<string, unknown>>
    const metadataPath = answer['metadata-location']
    if (typeof metadataPath !== 'string') {
      throw new CatalogError('the catalog names no metadata file', { retriable: false })
    }
    const metadata = checkMetadata(answer['metadata'], metadataPath)
    const tag = headers.get('etag')
    if (tag !== null) this.#tag = { metadataPath, text: tag }
    // The answer to a commit has none.
    if ('config' in answer || 'storage-credentials' in answer) {
      const vended = vendedOf(answer, metadata.location)
      if (JSON.stringify(vended) !== JSON.stringify(this.#vended)) this.#vended = vended
    }
    return { metadata, metadataPath }
  }

  #vendedEnds(): boolean {
    const untilMs = this.#vended ? vendedUntilMs(this.#vended) : Infinity
    return untilMs - this.#options.clock.nowMs() < VENDED_MS_MIN
  }

  #url(): Promise<string> {
    const { client, namespace, table } = this.#options
    return client.url(namespace, 'tables', table)
  }
}

/** The change may be there, may never be, or may come later (port). */
function unknown(message: string, cause?: unknown): CatalogError {
  return new CatalogError(message, { code: 'commit_unknown', retriable: true, cause })
}

/** The table's settings; of several keys the one for the longest beginning of its location. */
function vendedOf(answer: Readonly<Record<string, unknown>>, location: string): Vended {
  const list = answer['storage-credentials']
  const fitting = (Array.isArray(list) ? (list as readonly unknown[]) : [])
    .map((entry) => ({ prefix: '', config: {}, ...(entry as object) }))
    .filter(({ prefix }) => location.startsWith(String(prefix)))
    .sort((a, b) => String(b.prefix).length - String(a.prefix).length)
  return { ...textsOf(answer['config']), ...textsOf(fitting[0]?.config) }
}
