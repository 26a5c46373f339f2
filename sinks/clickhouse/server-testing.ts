import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { Socket } from 'node:net'

import { messageOf } from '../../actors/kernel/errors.ts'
import { encoded, readBody, statementOf } from './server-testing-requests.ts'
import { RunningInserts } from './server-testing-running.ts'
import { guardIn, type TestStatement, TestStatements } from './server-testing-statements.ts'

/** What goes wrong with a request of a test server. */
export type Fault =
  'cut before' | 'cut after' | 'cut within' | 'hang before' | 'hang after' | 'unavailable' | 'slow'

/**
 * Where a request can be held up: before the server knows of it; once its statement runs, before its rows are there;
 * when all is done, before the answer.
 */
export type HoldPoint = 'arriving' | 'running' | 'done'

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
  /** Asked at each point of each request how long to hold it up. */
  hold: (sql: string, point: HoldPoint) => Promise<void> | null = () => null
  /** Called when a request begins to hang. */
  onHang: () => void = () => {}
  /** Most connections that there were at a time. */
  connectionsMax = 0
  #connections = 0
  readonly #server: Server
  readonly #statements: TestStatements
  readonly #options: TestServerOptions
  readonly #running = new RunningInserts()
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
    if (url.pathname === '/ping') return void response.end('Ok.\n')
    const refused = this.#refuse(request, url.searchParams)
    if (refused) {
      await readBody(request)
      return sendError(response, refused)
    }
    const id = crypto.randomUUID()
    try {
      await this.#perform(request, response, { params: url.searchParams, id })
    } finally {
      this.#running.end(id)
    }
  }

  async #perform(
    request: IncomingMessage,
    response: ServerResponse,
    { params, id }: Readonly<{ params: URLSearchParams; id: string }>,
  ): Promise<void> {
    const refused = await this.#begin(request, params, id)
    const body = await readBody(request)
    const statement = statementOf(request, params, body)
    this.seen.push({
      sql: statement.sql,
      params,
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
    if (refused) return sendError(response, refused)
    if (this.#running.isStopped(id)) return sendError(response, STOPPED)
    const gone = (): void => void this.#statements.cancel(statement)
    request.socket.once('close', gone)
    const sql = this.#running.meet(statement.sql)
    const result = await this.#statements.run({ ...statement, sql, slow: fault === 'slow' })
    request.socket.off('close', gone)
    this.#running.end(id)
    await this.hold(statement.sql, 'done')
    if (fault === 'cut after') return void request.socket.destroy()
    if (fault === 'hang after') return this.#hang(request)
    if (!result.ok) return sendError(response, result)
    const { encoding, bytes } = encoded(request, params, result.bytes)
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

  /**
   * What happens before the rows of an insert are there: it is among the processes, and its guard has been looked
   * at. Gives what the guard refuses.
   */
  async #begin(
    request: IncomingMessage,
    params: URLSearchParams,
    id: string,
  ): Promise<Failure | null> {
    const sql = params.get('query') ?? ''
    await this.hold(sql, 'arriving')
    if (!sql.startsWith('INSERT INTO ')) return null
    this.#running.begin(id, params.get('log_comment') ?? '')
    const statement = statementOf(request, params, Buffer.alloc(0))
    const guard = guardIn(sql)
    const looked = guard && (await this.#statements.run({ ...statement, sql: `SELECT ${guard}` }))
    await this.hold(sql, 'running')
    return looked && !looked.ok ? looked : null
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

const STOPPED: Failure = {
  code: 394,
  message: 'Code: 394. DB::Exception: Query was cancelled. (QUERY_WAS_CANCELLED)',
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
