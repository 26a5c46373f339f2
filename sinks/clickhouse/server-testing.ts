import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { Socket } from 'node:net'
import {
  brotliDecompressSync,
  gunzipSync,
  gzipSync,
  inflateSync,
  zstdCompressSync,
  zstdDecompressSync,
} from 'node:zlib'

import { messageOf } from '../../actors/kernel/errors.ts'
import { CONTROL_PARAMS, type TestStatement, TestStatements } from './server-testing-statements.ts'

/** What goes wrong with a request of a test server. */
export type Fault =
  'cut before' | 'cut after' | 'cut within' | 'hang before' | 'hang after' | 'unavailable' | 'slow'

export type TestServerOptions = Readonly<{
  /** The engine's directory, opened by this process. */
  directory: string
  /** A free one when left out. */
  port?: number
  user?: string
  password?: string
  tls?: Readonly<{ key: string; cert: string }>
}>

/** A request as the test server saw it. */
export type Seen = Readonly<{
  sql: string
  params: URLSearchParams
  encoding: string
  bytes: number
}>

/**
 * ClickHouse's HTTP interface, over the engine in this process: what `@clickhouse/client` uses of it.
 * Each request has a connection of its own, unless it names a session; so settings end with it.
 */
export class ClickHouseTestServer {
  readonly port: number
  readonly seen: Seen[] = []
  /** Asked before each request what is to go wrong with it. */
  fault: (statement: TestStatement) => Fault | null = () => null
  /** Called when a request begins to hang. */
  onHang: () => void = () => {}
  /** Most connections that there were at a time. */
  connectionsMax = 0
  #connections = 0
  readonly #server: Server
  readonly #statements: TestStatements
  readonly #options: TestServerOptions
  #hanging: (() => void)[] = []

  private constructor(server: Server, statements: TestStatements, options: TestServerOptions) {
    this.#server = server
    this.#statements = statements
    this.#options = options
    const address = server.address()
    this.port = typeof address === 'object' && address ? address.port : 0
    server.on('connection', (socket: Socket) => {
      this.#connections += 1
      this.connectionsMax = Math.max(this.connectionsMax, this.#connections)
      socket.once('close', () => {
        this.#connections -= 1
      })
    })
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      this.#answer(request, response).catch((thrown: unknown) => {
        if (!response.headersSent) response.writeHead(500)
        response.end(messageOf(thrown))
      })
    })
  }

  static async open(options: TestServerOptions): Promise<ClickHouseTestServer> {
    const statements = await TestStatements.open(options.directory)
    const server = options.tls ? createTlsServer(options.tls) : createServer()
    await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve))
    return new ClickHouseTestServer(server, statements, options)
  }

  /** Requests without an answer that nothing is done for. */
  get hanging(): number {
    return this.#hanging.length
  }

  /** Lets go of what hangs; cut off, as a server that goes down does it. */
  release(): void {
    for (const free of this.#hanging.splice(0)) free()
  }

  async close(): Promise<void> {
    this.release()
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
    await this.#statements.close()
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://server')
    const body = await readBody(request)
    if (url.pathname === '/ping') return void response.end('Ok.\n')
    const refused = this.#refuse(request, url.searchParams)
    if (refused) return sendError(response, refused)
    const statement = statementOf(request, url.searchParams, body)
    this.seen.push({
      sql: statement.sql,
      params: url.searchParams,
      encoding: request.headers['content-encoding'] ?? '',
      bytes: statement.data.length,
    })
    const fault = this.fault(statement)
    if (fault === 'cut before') return void request.socket.destroy()
    if (fault === 'hang before') return this.#hang(request)
    if (fault === 'unavailable') {
      response.writeHead(503, { 'Content-Type': 'text/html' })
      return void response.end('<html>no upstream</html>')
    }
    const gone = (): void => void this.#statements.cancel(statement)
    request.socket.once('close', gone)
    const result = await this.#statements.run({ ...statement, slow: fault === 'slow' })
    request.socket.off('close', gone)
    if (fault === 'cut after') return void request.socket.destroy()
    if (fault === 'hang after') return this.#hang(request)
    if (!result.ok) return sendError(response, result)
    const { encoding, bytes } = encoded(request, url.searchParams, result.bytes)
    response.writeHead(200, {
      'Content-Type': 'text/plain; charset=UTF-8',
      'X-ClickHouse-Query-Id': statement.queryId,
      'X-ClickHouse-Format': statement.format,
      'X-ClickHouse-Timezone': 'UTC',
      'X-ClickHouse-Progress': result.summary,
      'X-ClickHouse-Summary': result.summary,
      'Keep-Alive': 'timeout=10',
      ...(encoding !== '' && { 'Content-Encoding': encoding }),
    })
    if (fault === 'cut within') {
      response.write(bytes.subarray(0, bytes.length >> 1), () => request.socket.destroy())
      return
    }
    response.end(bytes)
  }

  /** Keeps a request without an answer until it is let go, and then cuts it off. */
  #hang(request: IncomingMessage): void {
    this.#hanging.push(() => void request.socket.destroy())
    this.onHang()
  }

  #refuse(request: IncomingMessage, params: URLSearchParams): Failure | null {
    const { user: wanted = 'default', password: secret = '' } = this.#options
    const basic = /^Basic (.+)$/.exec(request.headers.authorization ?? '')?.[1]
    const [, name, ...rest] = basic
      ? ['', ...Buffer.from(basic, 'base64').toString().split(':')]
      : ['', String(request.headers['x-clickhouse-user'] ?? params.get('user') ?? 'default')]
    const key = request.headers['x-clickhouse-key'] ?? params.get('password') ?? ''
    const password = basic ? rest.join(':') : String(key)
    if (name === wanted && password === secret) return null
    const message =
      `${name}: Authentication failed: password is incorrect, or there is no user with such name. ` +
      '(AUTHENTICATION_FAILED)'
    return { code: 516, message: `Code: 516. DB::Exception: ${message}` }
  }
}

type Failure = Readonly<{ code: number; message: string }>

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  const raw = Buffer.concat(chunks)
  switch (request.headers['content-encoding'] ?? '') {
    case 'gzip':
      return gunzipSync(raw)
    case 'zstd':
      return zstdDecompressSync(raw)
    case 'br':
      return brotliDecompressSync(raw)
    case 'deflate':
      return inflateSync(raw)
    default:
      return raw
  }
}

/** The statement is the parameter `query` with the body after it, or the body alone. */
function statementOf(
  request: IncomingMessage,
  params: URLSearchParams,
  body: Buffer,
): TestStatement {
  const query = params.get('query')
  const header = (name: string): string | null => {
    const value = request.headers[name]
    return typeof value === 'string' ? value : null
  }
  return {
    sql: query ?? body.toString('utf8'),
    data: query === null ? Buffer.alloc(0) : body,
    database: params.get('database') ?? header('x-clickhouse-database') ?? 'default',
    format: header('x-clickhouse-format') ?? params.get('default_format') ?? 'TabSeparated',
    queryId: params.get('query_id') ?? '',
    slow: false,
    mark: `/* ${crypto.randomUUID()} */`,
    sessionId: params.get('session_id'),
    settings: [...params].filter(([name]) => !CONTROL_PARAMS.has(name) && !/^param_/.test(name)),
    parameters: [...params].flatMap(([name, value]): [string, string][] =>
      name.startsWith('param_') ? [[name.slice(6), value]] : [],
    ),
  }
}

function encoded(
  request: IncomingMessage,
  params: URLSearchParams,
  bytes: Uint8Array,
): Readonly<{ encoding: string; bytes: Uint8Array }> {
  const accepted = String(request.headers['accept-encoding'] ?? '')
  if (params.get('enable_http_compression') !== '1') return { encoding: '', bytes }
  if (accepted.includes('zstd')) return { encoding: 'zstd', bytes: zstdCompressSync(bytes) }
  if (accepted.includes('gzip')) return { encoding: 'gzip', bytes: gzipSync(bytes) }
  return { encoding: '', bytes }
}

/** ClickHouse's own choice of a status for its codes. */
const STATUS: ReadonlyMap<number, number> = new Map([
  [60, 404],
  [62, 400],
  [81, 404],
  [115, 404],
  [159, 408],
  [164, 500],
  [373, 500],
  [497, 403],
  [516, 403],
])

function sendError(response: ServerResponse, { code, message }: Failure): void {
  response.writeHead(STATUS.get(code) ?? 500, {
    'Content-Type': 'text/plain; charset=UTF-8',
    'X-ClickHouse-Exception-Code': String(code),
  })
  response.end(`${message} (version 26.7.2.1)\n`)
}
