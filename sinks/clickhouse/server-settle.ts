import type { Clock } from '../../actors/kernel/clock.ts'
import { messageOf } from '../../actors/kernel/errors.ts'
import { type ClickHouse, textOf, type WriterEpoch } from './engine.ts'
import { ServerError } from './server-errors.ts'
import { OWN_COMMENT } from './server-settings.ts'
import { sqlText } from './sql-text.ts'

/** What an insert is known by while it runs: its database and, where several processes write, its claim. */
export function insertComment(database: string, writer?: WriterEpoch): string {
  const comment = `${OWN_COMMENT} insert ${database}`
  return writer ? `${comment} ${writer.partition} ${writer.epoch}` : comment
}

export type SettleOptions = Readonly<{
  engine: Pick<ClickHouse, 'command' | 'database' | 'query'>
  /** Name of the cluster whose replicas are looked at, null for one server. */
  cluster: string | null
  clock: Clock
  /** After so long an insert of an earlier claim is stopped; null for none. */
  stopMs: number | null
  /** After so long waiting ends with an error. */
  limitMs: number
}>

/** How often running statements are looked at while they are waited for. */
const LOOK_EVERY_MS = 50

/**
 * Waits until every insert that runs now has ended: of a claim's partition by that claim or an earlier one, or
 * of the whole database. A sender that stands still in the middle of its rows holds its insert open, so
 * inserts of earlier claims are stopped after a while. ServerError when they do not end in time.
 */
export async function settleInserts(options: SettleOptions, claim?: WriterEpoch): Promise<void> {
  const { clock, stopMs, limitMs } = options
  const startMs = clock.monotonicMs()
  const begun = await running(options, claim)
  let left = [...begun]
  let refusal: string | null = null
  for (let stopped = stopMs === null; left.length > 0;) {
    const waitedMs = clock.monotonicMs() - startMs
    if (waitedMs > limitMs) {
      const why = refusal === null ? '' : `; they cannot be stopped: ${refusal}`
      const message = `inserts that were begun earlier do not end within ${limitMs} ms${why}`
      throw new ServerError(message, null, 'unknown')
    }
    if (!stopped && stopMs !== null && waitedMs >= stopMs) {
      stopped = true
      refusal = await stop(options, left)
    }
    await new Promise<void>((resolve) => void clock.after(LOOK_EVERY_MS, resolve))
    const now = await running(options, claim)
    left = left.filter((id) => now.has(id))
  }
}

async function running(
  { engine, cluster }: SettleOptions,
  claim?: WriterEpoch,
): Promise<ReadonlySet<string>> {
  const processes =
    cluster === null
      ? 'system.processes'
      : `clusterAllReplicas(${sqlText(cluster)}, system.processes)`
  const comment = "Settings['log_comment']"
  const whole = insertComment(engine.database)
  const which = claim
    ? `startsWith(${comment}, ${sqlText(`${whole} ${claim.partition} `)})`
    : `(${comment} = ${sqlText(whole)} OR startsWith(${comment}, ${sqlText(`${whole} `)}))`
  const rows = await engine.query(`SELECT query_id, ${comment} FROM ${processes} WHERE ${which}`)
  const ours = rows.filter(([, text]) => !claim || epochOf(textOf(text)) <= claim.epoch)
  return new Set(ours.map(([id]) => textOf(id)))
}

/** Says why not, when the server refuses. Its own waiting (`SYNC`) has no bound: the caller looks instead. */
async function stop(
  { engine, cluster }: SettleOptions,
  ids: readonly string[],
): Promise<string | null> {
  const where = cluster === null ? '' : ` ON CLUSTER ${cluster}`
  const list = ids.map(sqlText).join(', ')
  try {
    await engine.command(`KILL QUERY${where} WHERE query_id IN (${list}) ASYNC`)
    return null
  } catch (thrown) {
    return messageOf(thrown)
  }
}

function epochOf(comment: string): number {
  return Number(comment.slice(comment.lastIndexOf(' ') + 1))
}
