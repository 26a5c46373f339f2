import type { S3Access } from './s3-access.ts'

type Kept = Readonly<{ bytes: Uint8Array; maker: string | null; modifiedMs: number }>

/** What a test does around a request: lose it, delay it, lose its answer. */
export type Around = (request: Request, serve: () => Promise<Response>) => Promise<Response>

/**
 * As much of S3 over HTTP as the storage uses, for the faults that a real server does not show on demand.
 * It checks no signature: the suites run against a real one for that.
 */
export class FakeS3 implements Disposable {
  readonly files = new Map<string, Kept>()
  readonly requests: string[] = []
  around: Around = (_request, serve) => serve()
  /** Does it keep If-None-Match, as it must. */
  conditional = true
  pageMax = 1_000
  readonly #server: Bun.Server<undefined>

  constructor() {
    this.#server = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      idleTimeout: 0,
      fetch: async (request) => {
        this.requests.push(`${request.method} ${new URL(request.url).pathname}`)
        // What the client has given up goes on here, as it does there.
        const copy = new Request(request.url, request)
        const bytes = new Uint8Array(await request.arrayBuffer())
        return this.around(copy, async () => this.#serve(copy, bytes))
      },
    })
  }

  get access(): S3Access {
    const credentials = { accessKeyId: 'fake', secretAccessKey: 'never-shown' }
    return { endpoint: `http://127.0.0.1:${this.#server.port}`, credentials }
  }

  [Symbol.dispose](): void {
    void this.#server.stop(true)
  }

  #serve(request: Request, bytes: Uint8Array): Response {
    const url = new URL(request.url)
    const path = decodeURIComponent(url.pathname).slice(1)
    const kept = this.files.get(path)
    switch (request.method) {
      case 'PUT': {
        const condition = request.headers.get('if-none-match') === '*'
        if (condition && this.conditional && kept) return refused(412, 'PreconditionFailed')
        const maker = request.headers.get('x-amz-meta-orrery-maker')
        this.files.set(path, { bytes, maker, modifiedMs: Date.now() })
        return new Response(null)
      }
      case 'HEAD':
        if (!kept) return new Response(null, { status: 404 })
        return new Response(null, { headers: makerOf(kept) })
      case 'POST':
        return this.#remove(path, new TextDecoder().decode(bytes))
      default:
        if (url.searchParams.get('list-type') === '2') return this.#list(path, url.searchParams)
        if (!kept) return refused(404, 'NoSuchKey')
        return new Response(kept.bytes.slice(), { headers: makerOf(kept) })
    }
  }

  #remove(bucket: string, body: string): Response {
    const keys = [...body.matchAll(/<Key>([^<]*)<\/Key>/g)].map((found) => found[1] ?? '')
    for (const key of keys) this.files.delete(`${bucket.replace(/\/$/, '')}/${unescaped(key)}`)
    return xml('<DeleteResult></DeleteResult>')
  }

  #list(bucket: string, query: URLSearchParams): Response {
    const root = `${bucket.replace(/\/$/, '')}/`
    const prefix = `${root}${query.get('prefix') ?? ''}`
    const after = query.get('continuation-token') ?? ''
    const found = [...this.files.keys()].filter((path) => path.startsWith(prefix) && path > after)
    const page = found.sort().slice(0, this.pageMax)
    const more = found.length > page.length
    const entries = page.map((path) => {
      const { bytes, modifiedMs } = this.files.get(path) ?? { bytes: '', modifiedMs: 0 }
      const time = new Date(modifiedMs).toISOString()
      const key = escaped(path.slice(root.length))
      return `<Contents><Key>${key}</Key><Size>${bytes.length}</Size><LastModified>${time}</LastModified></Contents>`
    })
    const token = more ? `<NextContinuationToken>${page.at(-1)}</NextContinuationToken>` : ''
    const body = `<IsTruncated>${more}</IsTruncated>${token}${entries.join('')}`
    return xml(`<ListBucketResult>${body}</ListBucketResult>`)
  }
}

function makerOf({ maker }: Kept): Record<string, string> {
  return maker === null ? {} : { 'x-amz-meta-orrery-maker': maker }
}

/** An error as S3 says it. */
export function refused(status: number, code: string): Response {
  return xml(`<Error><Code>${code}</Code><Message>fake</Message></Error>`, status)
}

function xml(body: string, status = 200): Response {
  const text = `<?xml version="1.0" encoding="UTF-8"?>${body}`
  return new Response(text, { status, headers: { 'content-type': 'application/xml' } })
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}

function unescaped(text: string): string {
  return text.replaceAll('&lt;', '<').replaceAll('&amp;', '&')
}
