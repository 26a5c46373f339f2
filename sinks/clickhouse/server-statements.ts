import type { Clock } from '../../actors/kernel/clock.ts'
import type { Row } from './engine.ts'
import type { ServerLink } from './server-link.ts'
import { commandSettings, readSettings } from './server-settings.ts'

/** Longest answer to a question of our own, and to a person's. */
export const ANSWER_BYTES_MAX = 1_000_000_000

/** Rows of an answer that are parsed before sockets get their turn: about 3 ms. */
const ROWS_PER_SLICE = 4_000

/** Runs a statement that answers nothing. It may make or change tables, so what may have been done is not done again. */
export function runCommand(link: ServerLink, sql: string, timeoutMs: number): Promise<void> {
  const settings = commandSettings(timeoutMs)
  return link
    .run({ sql, settings, timeoutMs, bytesMax: 10_000_000, repeatable: false })
    .then(() => {})
}

/** Runs a question of our own and gives its rows. */
export async function readRows(
  link: ServerLink,
  sql: string,
  timeoutMs: number,
  clock: Clock,
): Promise<readonly Row[]> {
  const answer = await link.run({
    sql,
    format: 'JSONCompactEachRow',
    settings: readSettings(timeoutMs),
    timeoutMs,
    bytesMax: ANSWER_BYTES_MAX,
    repeatable: true,
  })
  const rows: Row[] = []
  for (const line of answer.toString('utf8').split('\n')) {
    if (line === '') continue
    rows.push(JSON.parse(line))
    if (rows.length % ROWS_PER_SLICE === 0)
      await new Promise<void>((resolve) => clock.soon(resolve))
  }
  return rows
}
