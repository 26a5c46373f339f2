import { readdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'

import { OrreryError } from '../../actors/kernel/errors.ts'
import type { ClickHouse } from './engine.ts'
import { sqlText } from './sql-text.ts'

/** Views over bronze, by the names of the Iceberg tables: raw pings, and raw trips. */
export const BRONZE_VIEW = 'bronze.raw_delivery_data'
export const BRONZE_TRIPS_VIEW = 'bronze.trips'
type BronzeView = typeof BRONZE_VIEW | typeof BRONZE_TRIPS_VIEW

/**
 * Makes a view over a local Iceberg table at its newest snapshot, or brings it to the table's present
 * columns. False when there is no table at that path yet. The table must lie under the process's working
 * directory.
 */
export async function ensureBronzeView(
  engine: ClickHouse,
  tablePath: string,
  view: BronzeView = BRONZE_VIEW,
): Promise<boolean> {
  const columns = await readColumns(resolve(tablePath))
  if (!columns) return false
  const declared = columns.map(({ name, type }) => `${quoted(name)} ${type}`).join(', ')
  const selected = columns.map(({ name }) => quoted(name)).join(', ')
  await engine.command('CREATE DATABASE IF NOT EXISTS bronze ENGINE = Atomic')
  // The engine's user may not read files. SQL SECURITY NONE lifts that for this one path; then the
  // columns must be declared, since asking the files for them would need the right that is missing.
  await engine.command(
    `CREATE OR REPLACE VIEW ${view} (${declared}) SQL SECURITY NONE AS ` +
      `SELECT ${selected} FROM icebergLocal(${sqlText(resolve(tablePath))})`,
  )
  return true
}

type ViewColumn = Readonly<{ name: string; type: string }>

async function readColumns(tablePath: string): Promise<ViewColumn[] | null> {
  const folder = join(tablePath, 'metadata')
  const files = await readdir(folder).catch(() => [])
  const newest = files
    .map((file) => ({ file, version: Number(/^v(\d+)\.metadata\.json$/.exec(file)?.[1] ?? -1) }))
    .filter(({ version }) => version >= 0)
    .sort((a, b) => b.version - a.version)[0]
  if (!newest) return null
  return parseColumns(JSON.parse(await readFile(join(folder, newest.file), 'utf8')))
}

function parseColumns(metadata: unknown): ViewColumn[] {
  const schemas = property(metadata, 'schemas')
  const current = property(metadata, 'current-schema-id')
  const schema = Array.isArray(schemas)
    ? schemas.find((each: unknown) => property(each, 'schema-id') === current)
    : undefined
  const fields = property(schema, 'fields')
  if (!Array.isArray(fields)) throw new OrreryError('bronze', 'the Iceberg table has no schema')
  return fields.map((field: unknown) => {
    const name = property(field, 'name')
    const iceberg = property(field, 'type')
    const type = typeof iceberg === 'string' ? TYPES[iceberg] : undefined
    if (typeof name !== 'string' || type === undefined) {
      throw new OrreryError('bronze', `no ClickHouse type for ${JSON.stringify(field)}`)
    }
    return { name, type: property(field, 'required') === true ? type : `Nullable(${type})` }
  })
}

const TYPES: Readonly<Record<string, string>> = {
  boolean: 'Bool',
  int: 'Int32',
  long: 'Int64',
  float: 'Float32',
  double: 'Float64',
  date: 'Date32',
  timestamp: 'DateTime64(6)',
  timestamptz: "DateTime64(6, 'UTC')",
  string: 'String',
  uuid: 'UUID',
  binary: 'String',
}

function property(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined
  return Object.entries(value).find(([key]) => key === name)?.[1]
}

function quoted(name: string): string {
  return `\`${name.replaceAll('\\', '\\\\').replaceAll('`', '\\`')}\``
}
