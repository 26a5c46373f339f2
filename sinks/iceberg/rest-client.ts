import type { Clock, Random } from '../../actors/kernel/clock.ts'
import { type Backoff, retry } from '../retry.ts'
import {
  askOnce,
  CatalogError,
  objectOf,
  refusal,
  type RestAnswer,
  type RestQuestion,
  textsOf,
} from './rest-http.ts'

/** Where a REST catalog is, and who we are to it. */
export type RestSettings = Readonly<{
  uri: string
  /** The warehouse in the catalog's words: a name, or an address. */
  warehouse?: string
  /** A bearer token that does not change. */
  token?: string
  /** `id:secret`, or the secret alone, for which the catalog gives tokens (OAuth2 client credentials). */
  credential?: string
  /** Where tokens are given, when it is not the catalog itself. */
  oauthUri?: string
  scope?: string
}>

/** How long one question may take, and how often it is asked. A commit is asked once. */
export type RestBounds = Readonly<{
  timeoutMs: number
  triesMax: number
  deadlineMs: number
  backoff: Backoff
}>

export const REST_BOUNDS: RestBounds = {
  timeoutMs: 8_000,
  triesMax: 4,
  deadlineMs: 12_000,
  backoff: { firstMs: 100, longestMs: 2_000 },
}

/** What the catalog says of itself: the root of its addresses, and how the parts of a namespace are joined. */
type Root = Readonly<{ url: string; separator: string }>
type Token = Readonly<{ text: string; renewMs: number }>

/** Asks a REST catalog: finds its prefix, keeps a token, bounds every call. */
export class RestClient {
  readonly #settings: RestSettings
  readonly #clock: Clock
  readonly #random: Random
  readonly #bounds: RestBounds
  #root: Root | null = null
  #token: Token | null = null

  constructor(
    settings: RestSettings,
    about: Readonly<{ clock: Clock; random: Random; bounds?: Partial<RestBounds> }>,
  ) {
    this.#settings = settings
    this.#clock = about.clock
    this.#random = about.random
    this.#bounds = { ...REST_BOUNDS, ...about.bounds }
  }

  /** The address of a namespace and what is in it, or of the namespaces. */
  async url(namespace: readonly string[] | null, ...more: readonly string[]): Promise<string> {
    const { url, separator } = await this.#found()
    const joined = namespace?.map(encodeURIComponent).join(separator)
    const parts = [...(joined === undefined ? [] : [joined]), ...more.map(encodeURIComponent)]
    return ['namespaces', ...parts].reduce((path, part) => `${path}/${part}`, url)
  }

  /** Asks until an answer comes that the catalog means: below 500 and no plea for patience. */
  async ask(question: RestQuestion): Promise<RestAnswer> {
    const { triesMax, deadlineMs, backoff } = this.#bounds
    return retry(
      async () => {
        const answer = await this.askOnce(question)
        const failed = refusal(question, answer)
        if (failed.retriable) throw failed
        return answer
      },
      {
        clock: this.#clock,
        random: this.#random,
        backoff,
        deadlineMs,
        signal: new AbortController().signal,
        judge: (thrown, attempt) =>
          attempt + 1 < triesMax && thrown instanceof CatalogError && thrown.retriable
            ? 'again'
            : 'stop',
      },
    )
  }

  /** Asks once, whatever comes. Twice only when the first was refused for a token that had ended. */
  async askOnce(question: RestQuestion): Promise<RestAnswer> {
    const about = { clock: this.#clock, timeoutMs: this.#bounds.timeoutMs }
    const answer = await askOnce(question, { ...about, authorization: await this.#authorization() })
    if (answer.status !== 401 || this.#token === null) return answer
    this.#token = null
    return askOnce(question, { ...about, authorization: await this.#authorization() })
  }

  async #found(): Promise<Root> {
    if (this.#root) return this.#root
    const { warehouse } = this.#settings
    const query = warehouse === undefined ? '' : `?warehouse=${encodeURIComponent(warehouse)}`
    const question = { method: 'GET', url: `${this.#rootOf()}/config${query}` } as const
    const answer = await this.ask(question)
    if (answer.status !== 200) throw refusal(question, answer)
    const { defaults, overrides } = objectOf(answer.text)
    if (defaults === undefined && overrides === undefined) {
      const message = `${question.url} is not the address of an Iceberg REST catalog`
      throw new CatalogError(message, { retriable: false })
    }
    const said = { ...textsOf(defaults), ...textsOf(overrides) }
    const { prefix = '', uri } = said
    const url = `${this.#rootOf(uri)}${prefix === '' ? '' : `/${prefix}`}`
    return (this.#root = { url, separator: said['namespace-separator'] ?? '%1F' })
  }

  // `http://host:8181`, with or without the slash and the version that some documents show.
  #rootOf(uri = this.#settings.uri): string {
    return `${uri.replace(/\/+$/, '').replace(/\/v1$/, '')}/v1`
  }

  async #authorization(): Promise<string | null> {
    const { token, credential } = this.#settings
    if (token !== undefined) return `Bearer ${token}`
    if (credential === undefined) return null
    const nowMs = this.#clock.monotonicMs()
    if (!this.#token || this.#token.renewMs <= nowMs) {
      this.#token = await this.#newToken(credential, nowMs)
    }
    return `Bearer ${this.#token.text}`
  }

  async #newToken(credential: string, nowMs: number): Promise<Token> {
    const colon = credential.indexOf(':')
    const { scope = 'catalog', oauthUri } = this.#settings
    const form = new URLSearchParams({ grant_type: 'client_credentials', scope })
    if (colon >= 0) form.set('client_id', credential.slice(0, colon))
    form.set('client_secret', credential.slice(colon + 1))
    const question = {
      method: 'POST',
      url: oauthUri ?? `${this.#rootOf()}/oauth/tokens`,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: form.toString(),
    } as const
    const { timeoutMs } = this.#bounds
    const answer = await askOnce(question, { clock: this.#clock, timeoutMs, authorization: null })
    const { access_token: text, expires_in: seconds } = objectOf(answer.text)
    if (answer.status !== 200 || typeof text !== 'string') throw refusal(question, answer)
    const lifeMs = typeof seconds === 'number' ? seconds * 1_000 : Infinity
    // Renewed before it ends: a commit that is refused for its token costs a round.
    return { text, renewMs: nowMs + lifeMs * 0.8 }
  }
}
