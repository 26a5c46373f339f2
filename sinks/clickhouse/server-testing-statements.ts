import type { Session } from 'chdb'

import { messageOf } from '../../actors/kernel/errors.ts'
import { sqlText } from './sql-text.ts'

/** Parameters of a request that are no settings of ClickHouse. */
export const CONTROL_PARAMS: ReadonlySet<string> = new Set([
  ...['query', 'database', 'default_format', 'query_id', 'session_id', 'session_timeout'],
  ...['session_check', 'user', 'password', 'role', 'compress', 'decompress', 'quota_key'],
  // Of the HTTP interface alone: the engine answers at once and whole.
  ...['wait_end_of_query', 'buffer_size', 'enable_http_compression'],
])

/** What a request asks of the engine. */
export type TestStatement = Readonly<{
  sql: string
  /** What follows the statement: rows of an INSERT. */
  data: Buffer
  database: string
  format: string
  queryId: string
  /** Takes a second longer when it writes rows. */
  slow: boolean
  /** What the statement is found by while it runs. */
  mark: string
  sessionId: string | null
  settings: readonly (readonly [string, string])[]
  parameters: readonly (readonly [string, string])[]
}>

export type TestResult =
  | Readonly<{ ok: true; bytes: Uint8Array; summary: string }>
  | Readonly<{ ok: false; code: number; message: string }>

/** Runs statements of an HTTP request on the engine in this process. */
export class TestStatements {
  readonly #connect: (args: readonly string[]) => Session
  readonly #known: ReadonlySet<string>
  readonly #sessions = new Map<string, Readonly<{ session: Session; busy: { is: boolean } }>>()

  private constructor(connect: (args: readonly string[]) => Session, known: ReadonlySet<string>) {
    this.#connect = connect
    this.#known = known
  }

  static async open(directory: string): Promise<TestStatements> {
    const { Session } = await import('chdb')
    const connect = (args: readonly string[]): Session =>
      new Session(directory, { connectionArgs: [...args] })
    const session = connect([])
    const answer = await session.queryAsync('SELECT name FROM system.settings', { format: 'TSV' })
    session.close()
    return new TestStatements(connect, new Set(answer.text().split('\n')))
  }

  /** Stops a statement whose asker is gone, where its settings say so. */
  async cancel(statement: TestStatement): Promise<void> {
    if (!isCancelled(statement)) return
    const session = this.#connect([])
    await session.queryAsync(`KILL QUERY WHERE endsWith(query, ${sqlText(statement.mark)}) ASYNC`)
    session.close()
  }

  async run(statement: TestStatement): Promise<TestResult> {
    for (const [name] of statement.settings) {
      if (this.#known.has(name)) continue
      const message = `Setting ${name} is neither a builtin setting nor started with the prefix 'SQL_'. (UNKNOWN_SETTING)`
      return failure(115, message)
    }
    const { sessionId } = statement
    if (sessionId === null) {
      const session = this.#connect(argumentsOf(statement))
      return this.#on(session, statement).finally(() => session.close())
    }
    const held = this.#sessions.get(sessionId)
    if (held?.busy.is) {
      return failure(
        373,
        `Session ${sessionId} is locked by a concurrent client. (SESSION_IS_LOCKED)`,
      )
    }
    const { session, busy } = held ?? {
      session: this.#connect(argumentsOf(statement)),
      busy: { is: true },
    }
    busy.is = true
    this.#sessions.set(sessionId, { session, busy })
    return this.#on(session, statement).finally(() => {
      busy.is = false
    })
  }

  async close(): Promise<void> {
    for (const { session } of this.#sessions.values()) session.close()
  }

  async #on(session: Session, statement: TestStatement): Promise<TestResult> {
    try {
      await session.queryAsync(`USE ${statement.database}`)
      // Escaped as in TSV already, which is how a parameter's value is read.
      for (const [name, value] of statement.parameters) {
        await session.queryAsync(`SET param_${name} = ${sqlText(value)}`)
      }
      const { sql, rows } = await this.#asSelect(session, statement)
      const marked = isCancelled(statement) ? `${sql}\n${statement.mark}` : sql
      const answer = await session.queryAsync(marked, { format: statement.format })
      const counts = {
        read_rows: answer.rowsRead,
        read_bytes: answer.bytesRead,
        written_rows: rows,
      }
      const text = Object.entries(counts).map(([name, count]) => [name, String(count)])
      const summary = JSON.stringify(Object.fromEntries(text))
      return { ok: true, bytes: answer.bytes(), summary }
    } catch (thrown) {
      const code = Reflect.get(Object(thrown), 'clickhouseCode')
      return { ok: false, code: typeof code === 'number' ? code : 1002, message: messageOf(thrown) }
    }
  }

  /**
   * The engine takes no binary rows after a statement. So they are handed to the reader of their format by a
   * literal, with the columns that the table has: the same reader with the same columns as on a server.
   */
  async #asSelect(
    session: Session,
    { sql, data, slow }: TestStatement,
  ): Promise<Readonly<{ sql: string; rows: number }>> {
    const found = INSERT.exec(sql) ?? INSERT_SELECT.exec(sql)
    if (!found || data.length === 0) return { sql: `${sql}${data.toString('utf8')}`, rows: 0 }
    const { into = '', table = '', names, given, format = '' } = found.groups ?? {}
    const answer = await session.queryAsync(`DESCRIBE TABLE ${table}`, { format: 'JSONEachRow' })
    const all: unknown[] = answer
      .text()
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line))
    const wanted = names?.split(',').map((name) => name.trim().replaceAll('`', ''))
    const types = new Map(
      all.map((column) => [
        String(Reflect.get(Object(column), 'name')),
        String(Reflect.get(Object(column), 'type')),
      ]),
    )
    const structure = (wanted ?? [...types.keys()])
      .map((name) => `\`${name}\` ${types.get(name)}`)
      .join(', ')
    // A literal already, when the statement says itself what its rows are.
    const columns = given ?? sqlText(structure)
    const literal = `base64Decode('${data.toString('base64')}')`
    const list = names ?? '*'
    const rows = `format(${format}, ${columns}, ${literal})`
    const wait = slow ? ' WHERE sleep(1) = 0' : ''
    return { sql: `${into} SELECT ${list} FROM ${rows}${wait}`, rows: 0 }
  }
}

const INSERT =
  /^\s*(?<into>INSERT INTO (?<table>[\w.`]+)\s*(?:\((?<names>[^)]*)\))?)\s*FORMAT (?<format>\w+)\s*$/i

/** Its guard is looked at when it begins, so it is not part of what is run with the rows. */
const INSERT_SELECT =
  /^(?<into>INSERT INTO (?<table>[\w.`]+) \((?<names>[^)]*)\)) SELECT [^()]+ FROM input\((?<given>'(?:[^'\\]|\\.)*')\) WHERE (?<guard>.+) FORMAT (?<format>\w+)$/

/** The condition of an insert that reads its rows by `input`; null when it has none. */
export function guardIn(sql: string): string | null {
  return INSERT_SELECT.exec(sql)?.groups?.guard ?? null
}

function isCancelled({ settings }: TestStatement): boolean {
  const name = 'cancel_http_readonly_queries_on_client_close'
  return settings.some(([key, value]) => key === name && value === '1')
}

/** A request's settings hold for its own connection alone, as they do on a server. */
function argumentsOf({ settings }: TestStatement): string[] {
  const own = settings
    // The whole of the rows stands in the statement here.
    .filter(([name]) => name !== 'max_query_size')
    .map(([name, value]) => `--${name}=${value}`)
  const asked = settings.find(([name]) => name === 'max_query_size')?.[1]
  return [`--max_query_size=${asked ?? '1000000000'}`, ...own]
}

function failure(code: number, message: string): TestResult {
  return { ok: false, code, message: `Code: ${code}. DB::Exception: ${message}` }
}
