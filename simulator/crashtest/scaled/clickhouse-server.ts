import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { type ServerPlan, statusOf } from '../../../actors/testing/server-process.ts'
import type { Environment } from '../../../actors/testing/services.ts'

const HOST = '127.0.0.1'
const ANSWER_MS_MAX = 60_000

export type ClickHousePlace = Readonly<{ port: number; password: string }>

/** How the ClickHouse server of the test is started: no server binary is in the registries. */
export function clickHousePlan(
  options: Readonly<{ env: Environment; dir: string }> & ClickHousePlace,
): ServerPlan {
  const { env, dir, port, password } = options
  const data = join(dir, 'data')
  mkdirSync(data, { recursive: true })
  // Not for the list of processes.
  const passwordFile = join(dir, 'password')
  writeFileSync(passwordFile, password, { mode: 0o600 })
  const program = join(import.meta.dir, 'clickhouse-program.ts')
  return {
    service: 'clickhouse',
    command: [process.execPath, program, data, String(port), passwordFile],
    env: {
      ...{ PATH: env.PATH ?? '', HOME: env.HOME ?? dir },
      // The engine's calls wait in the thread pool.
      UV_THREADPOOL_SIZE: '16',
    },
    cwd: dir,
    logFile: join(dir, 'log'),
    host: HOST,
    port,
    ready: async () => (await statusOf(`http://${HOST}:${port}/ping`)) === 200,
  }
}

/** Rows of a query, each an array, asked of the server itself by plain HTTP. Throws with its complaint. */
export async function askClickHouse(
  place: ClickHousePlace,
  query: string,
  settings: Readonly<Record<string, string>> = {},
): Promise<readonly (readonly unknown[])[]> {
  const text = await tellClickHouse(place, query, null, {
    default_format: 'JSONCompactEachRow',
    ...settings,
  })
  return text.split('\n').flatMap((line) => {
    const row: unknown = line === '' ? null : JSON.parse(line)
    return Array.isArray(row) ? [row] : []
  })
}

/** Runs a statement, with rows after it or without; its answer as text. */
export async function tellClickHouse(
  { port, password }: ClickHousePlace,
  sql: string,
  rows: string | null,
  settings: Readonly<Record<string, string>> = {},
): Promise<string> {
  const url = new URL(`http://${HOST}:${port}/`)
  for (const [name, value] of Object.entries(settings)) url.searchParams.set(name, value)
  if (rows !== null) url.searchParams.set('query', sql)
  const headers = { 'x-clickhouse-user': 'default', 'x-clickhouse-key': password }
  const signal = AbortSignal.timeout(ANSWER_MS_MAX)
  const response = await fetch(url, { method: 'POST', headers, body: rows ?? sql, signal })
  const text = await response.text()
  if (!response.ok) throw new Error(`ClickHouse: ${text.slice(0, 500)}\n${sql.slice(0, 500)}`)
  return text
}
