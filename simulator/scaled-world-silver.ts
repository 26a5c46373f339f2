import type { Clock } from '../actors/kernel/clock.ts'
import {
  type ClickHouse,
  ClickHouseError,
  type Insert,
  type Row,
  type WriterEpoch,
} from '../sinks/clickhouse/engine.ts'
import { insertComment, settleInserts } from '../sinks/clickhouse/server-settle.ts'
import type { Net, Node } from './scaled-world-node.ts'
import { ask } from './world-silver-sql.ts'
import { commandSilver, rowsOf, type SilverRow, SilverTables } from './world-silver.ts'

const DATABASE = 'default'
const VALUE_IS_NON_ZERO = 395
const KILLED = 394
const LOCK_LOOK_MS = 50

type Statement = Readonly<{ id: string; comment: string }> & { killed: boolean }

/**
 * A ClickHouse server, reduced to what the sink relies on: a statement looks at the claims when it begins to run, runs for
 * some time whether its sender lives or not, and is there as a whole at its end.
 */
export class SilverServer {
  readonly tables = new SilverTables()
  readonly #epochs = new Map<number, number>()
  readonly #running = new Map<string, Statement>()
  readonly #net: Net
  readonly #statementMsMax: number
  #statements = 0
  /** Who holds the lock of the migrations. */
  lockedBy: Node | null = null

  constructor(net: Net, statementMsMax: number) {
    this.#net = net
    this.#statementMsMax = statementMsMax
  }

  async insert(
    { table, token, writer }: Insert,
    rows: readonly SilverRow[],
    partsMax = Infinity,
  ): Promise<void> {
    if (writer && (this.#epochs.get(writer.partition) ?? 0) > writer.epoch) {
      throw new ClickHouseError('orrery: fenced: while executing', VALUE_IS_NON_ZERO)
    }
    const id = `statement-${this.#statements++}`
    const statement = { id, comment: insertComment(DATABASE, writer), killed: false }
    this.#running.set(id, statement)
    await this.#net.pause(this.#net.upTo(this.#statementMsMax))
    this.#running.delete(id)
    if (statement.killed) throw new ClickHouseError('the query was killed', KILLED)
    this.#store(table, rows, token, partsMax)
  }

  /** Answers what the sink, the history and the claims ask. */
  query(sql: string): readonly Row[] {
    const asked = /FROM system\.processes WHERE startsWith\(.*, '([^']*)'\)$/.exec(sql)
    if (asked) {
      const [, start = ''] = asked
      return [...this.#running.values()]
        .filter(({ comment }) => comment.startsWith(start))
        .map(({ id, comment }): Row => [id, comment])
    }
    return ask(this.tables, sql)
  }

  command(sql: string): void {
    if (!sql.startsWith('KILL QUERY')) return commandSilver(this.tables, sql)
    for (const [, id = ''] of sql.matchAll(/'(statement-\d+)'/g)) {
      const statement = this.#running.get(id)
      if (statement) statement.killed = true
    }
  }

  #store(table: string, rows: readonly SilverRow[], token: string, partsMax: number): void {
    const [row] = rows
    const [partition, epoch] = [Number(row?.['partition']), Number(row?.['epoch'])]
    switch (table) {
      case 'sink_progress':
        return this.tables.move(String(row?.['sink']), partition, Number(row?.['offset']))
      case 'sink_epochs':
        return void this.#epochs.set(partition, Math.max(epoch, this.#epochs.get(partition) ?? 0))
      default:
        return this.tables.insert(table, rows, token, partsMax)
    }
  }
}

/** How long a statement of an earlier claim is waited for before it is stopped, and in all. */
const SETTLE = { stopMs: 2_000, limitMs: 10_000 }

/** The server as one process has it. */
export function serverEngine(
  server: SilverServer,
  { net, node }: Readonly<{ net: Net; node: Node }>,
): ClickHouse {
  const failure = (message: string): Error => new ClickHouseError(message, null)
  const through = <T>(name: string, effect: () => T | Promise<T>, part?: () => Promise<void>) =>
    net.call<T>(node, { port: 'silver', name, effect, failure, ...(part && { part }) })
  const engine: ClickHouse = {
    database: DATABASE,
    command: (sql) => through('silver.command', () => server.command(sql)),
    query: (sql) => through('silver.query', () => server.query(sql)),
    insert(insert) {
      // At once: the columns' memory is the sink's again when it is told of a failure.
      const rows = rowsOf(insert.columns)
      return through(
        `silver.insert ${insert.table}`,
        () => server.insert(insert, rows),
        () => server.insert(insert, rows, 1),
      )
    },
    ask: () => Promise.reject(new Error('nobody asks here')),
    close: () => Promise.resolve(),
    shared: {
      definition: (sql) => sql,
      alone: (task) => alone(server, node, task),
      settle: (claim?: WriterEpoch) => {
        const clock: Clock = node.clock
        return settleInserts({ engine, cluster: null, clock, ...SETTLE }, claim)
      },
    },
  }
  return engine
}

async function alone<T>(server: SilverServer, node: Node, task: () => Promise<T>): Promise<T> {
  while (server.lockedBy && !server.lockedBy.dead) {
    await new Promise<void>((resolve) => void node.clock.after(LOCK_LOOK_MS, resolve))
  }
  server.lockedBy = node
  try {
    return await task()
  } finally {
    server.lockedBy = null
  }
}
