import { OrreryError } from '../../actors/kernel/errors.ts'

/** What a server is, as far as the statements that make tables must know. */
export type ServerKind = Readonly<{
  /** Name of the cluster whose hosts are replicas of one another; null for one server. */
  clusterName: string | null
  /** Settings of MergeTree tables that this version of the server has, of those in `OPTIONAL_SETTINGS`. */
  tableSettings: ReadonlySet<string>
}>

/** Settings that only make tables faster, and that older servers refuse. */
export const OPTIONAL_SETTINGS: readonly string[] = ['merge_selector_base']

/**
 * Where a replicated table's log lies in Keeper. A fixed path, not the table's UUID: a replica that is
 * added later makes its tables by itself, and must find the others'.
 */
const KEEPER_PATH = '/clickhouse/tables/{shard}/{database}/{table}'

const DEFINES =
  /^(CREATE DATABASE IF NOT EXISTS|CREATE TABLE IF NOT EXISTS|CREATE TABLE|CREATE OR REPLACE VIEW|ALTER TABLE|DROP TABLE IF EXISTS|DROP DATABASE IF EXISTS) ([\w.]+)/
const CHANGES_ROWS = /^INSERT INTO /

/**
 * A statement that makes or changes tables, as a server needs it: on each host of a cluster, with
 * replicated engines and their own window of tokens, and without settings that the server does not know.
 */
export function forServer(sql: string, { clusterName, tableSettings }: ServerKind): string {
  let text = sql
  for (const setting of OPTIONAL_SETTINGS) {
    if (!tableSettings.has(setting)) text = text.replace(new RegExp(`,\\s*${setting} = \\w+`), '')
  }
  if (clusterName === null || CHANGES_ROWS.test(text)) return text
  if (!DEFINES.test(text)) {
    throw new OrreryError('invariant', `not known how to run on a cluster: ${text.slice(0, 60)}`)
  }
  return text
    .replace(
      DEFINES,
      (_, what: string, name: string) => `${what} ${name} ON CLUSTER ${clusterName}`,
    )
    .replace(
      /ENGINE = (Replacing|)MergeTree(?:\(([^)]*)\))?(?=\s)/,
      (_, kind: string, version: string | undefined) =>
        `ENGINE = Replicated${kind}MergeTree('${KEEPER_PATH}', '{replica}'${version ? `, ${version}` : ''})`,
    )
    .replace(
      /\bnon_replicated_deduplication_window = (\d+)/,
      (_, blocks: string) =>
        `replicated_deduplication_window = ${blocks},\n  replicated_deduplication_window_seconds = 604800`,
    )
}
