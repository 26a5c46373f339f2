import { OrreryError } from '../../actors/kernel/errors.ts'
import { SinkFenced } from '../sink.ts'
import { IntColumn, TextColumn } from './columns.ts'
import {
  type ClickHouse,
  ClickHouseError,
  type Column,
  type ColumnKind,
  textOf,
  type WriterEpoch,
} from './engine.ts'
import { sqlInt, sqlText } from './sql-text.ts'

/** Who writes which partition: the highest epoch counts. */
export const EPOCHS_TABLE = 'sink_epochs'

/** What a refused statement says; ClickHouse's own number for it. */
const FENCED = 'orrery: fenced'
const VALUE_IS_NON_ZERO = 395

/**
 * A condition that holds for every row, or ends the statement when a later claim of the partition is there. The
 * highest epoch is read when the statement begins to run, once: it is refused as a whole or not at all.
 */
export function guardOf({ partition, epoch }: WriterEpoch): string {
  const highest = `SELECT max(epoch) FROM ${EPOCHS_TABLE} WHERE \`partition\` = ${sqlInt(partition)}`
  // Without a row there is no later claim, whatever the user's profile makes of an empty maximum.
  return `throwIf(ifNull((${highest}), 0) > ${sqlInt(epoch)}, ${sqlText(FENCED)}) = 0`
}

/** True when a statement was refused by its guard. */
export function isFenced(thrown: unknown): boolean {
  return (
    thrown instanceof ClickHouseError &&
    thrown.clickhouseCode === VALUE_IS_NON_ZERO &&
    thrown.message.includes(FENCED)
  )
}

/** The error of a writer that was refused. */
export function fenced({ partition, epoch }: WriterEpoch, cause: unknown): SinkFenced {
  return new SinkFenced(`silver: partition ${partition} was claimed after epoch ${epoch}`, {
    cause,
  })
}

/**
 * Claims a partition, then waits until nothing of its earlier writers can land any more: from then on what is
 * read of it stays. Throws SinkFenced when there is a later claim. The same claim may be made again.
 */
export async function claim(
  engine: ClickHouse,
  writer: WriterEpoch,
  holder: string,
): Promise<void> {
  const { partition, epoch } = writer
  try {
    await engine.insert({
      table: EPOCHS_TABLE,
      columns: [intOf('partition', partition), intOf('epoch', epoch), wordOf('holder', holder)],
      token: `${EPOCHS_TABLE}:${partition}:${epoch}`,
      writer,
    })
  } catch (cause) {
    throw isFenced(cause) ? fenced(writer, cause) : cause
  }
  await engine.shared?.settle(writer)
}

/** Writes how far a partition is stored, unless it was claimed meanwhile. */
export function writeProgress(
  engine: ClickHouse,
  { sink, offset, writer }: Readonly<{ sink: string; offset: number; writer: WriterEpoch }>,
): Promise<void> {
  const { partition, epoch } = writer
  return engine.insert({
    table: 'sink_progress',
    columns: [wordOf('sink', sink), intOf('partition', partition), intOf('offset', offset)],
    token: `sink_progress:${partition}:${epoch}:${offset}`,
    writer,
  })
}

/**
 * Makes the tables this installation's own on the first call. Throws OrreryError `installation_other` when they are
 * another's: partitions have the same numbers everywhere, so its rows and offsets would mix with ours.
 */
export async function checkInstallation(engine: ClickHouse, installation: string): Promise<void> {
  const read = async (): Promise<string | null> => {
    const [row] = await engine.query('SELECT id FROM installation ORDER BY made_at, id LIMIT 1')
    return row ? textOf(row[0]) : null
  }
  const enter = async (): Promise<void> => {
    if ((await read()) !== null) return
    const columns = [wordOf('id', installation)]
    await engine.insert({ table: 'installation', columns, token: `installation:${installation}` })
  }
  if ((await read()) === null) {
    const before = (entering.get(engine) ?? Promise.resolve()).catch(() => {})
    const entered = before.then(() => engine.shared?.alone(enter) ?? enter())
    entering.set(engine, entered)
    await entered
  }
  const found = await read()
  if (found === installation) return
  throw new OrreryError(
    'installation_other',
    `the ClickHouse database ${engine.database} belongs to the installation ${found ?? 'nobody'}, and this one is ` +
      `${installation}: set another CLICKHOUSE_DATABASE, or KAFKA_CONSUMER_GROUP and the topics as they were; or drop ` +
      'the database when its rows are not needed',
    { retriable: false },
  )
}

/** Partitions open at once over one engine, whose lock holds against other processes alone. */
const entering = new WeakMap<ClickHouse, Promise<void>>()

const TYPES: Readonly<Record<ColumnKind, string>> = {
  int: 'Int64',
  float: 'Float64',
  time: "DateTime64(3, 'UTC')",
  text: 'String',
  bytes: 'String',
  bool: 'Bool',
}

/** Names and types of columns as rows of them are sent, for `input`: the table casts them to its own. */
export function structureOf(columns: readonly Column[]): string {
  return columns
    .map(({ name, kind, nullCount }) => {
      const type = nullCount > 0 ? `Nullable(${TYPES[kind]})` : TYPES[kind]
      return `\`${name}\` ${type}`
    })
    .join(', ')
}

function intOf(name: string, value: number): Column {
  const column = new IntColumn(name, 'int', 1)
  column.add(value)
  return column.column()
}

function wordOf(name: string, value: string): Column {
  const column = new TextColumn(name, 1)
  column.add(value)
  return column.column()
}
