import { chmod, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Bounds of a person's own statement. */
export type ConsoleLimits = Readonly<{
  timeSecondsMax: number
  memoryBytesMax: number
  /** Rows of an answer; one more is an error, never a silent cut. */
  rowsMax: number
  /** Bytes of an answer, before its format. */
  bytesMax: number
  /** Rows that a statement may read. */
  readRowsMax: number
}>

export const CONSOLE_LIMITS: ConsoleLimits = {
  timeSecondsMax: 30,
  memoryBytesMax: 400_000_000,
  rowsMax: 1_000_000,
  bytesMax: 128_000_000,
  readRowsMax: 2_000_000_000,
}

/**
 * What the engine's one user may do: what we need and nothing that reads or writes outside of the
 * engine's own tables (no FILE, URL, S3, REMOTE). These hold for every statement, also within
 * `SETTINGS readonly=0`, which lifts the read-only mode. ALLOW SQL SECURITY NONE is for the view over
 * bronze alone: it may read Iceberg files that its reader may not.
 */
const GRANTS = [
  'GRANT SELECT, INSERT, ALTER, CREATE, DROP, TRUNCATE, OPTIMIZE, SHOW, KILL QUERY ON *.*',
  'GRANT TABLE ENGINE ON MergeTree',
  'GRANT TABLE ENGINE ON ReplacingMergeTree',
  'GRANT ALLOW SQL SECURITY NONE ON *.*',
]

/**
 * Free disk below which the engine takes no rows: a part that it writes onto a full disk can end without
 * its marks, and then no question about the table is answered until the next start. On a small disk a share.
 */
const RESERVE_BYTES = 67_108_864
const RESERVE_SHARE = 32

/** Writes the engine's configuration into its directory; the path is for `--config-file`. */
export async function writeChdbConfig(directory: string, memoryBytesMax: number): Promise<string> {
  const usersPath = join(directory, 'users.xml')
  const configPath = join(directory, 'config.xml')
  const grants = GRANTS.map((grant) => `<query>${grant}</query>`).join('')
  const markCacheBytes = Math.min(134_217_728, Math.floor(memoryBytesMax / 8))
  const { blocks, bsize } = await statfs(directory)
  const reserveBytes = Math.min(RESERVE_BYTES, Math.floor((blocks * bsize) / RESERVE_SHARE))
  await writeFile(
    usersPath,
    `<clickhouse><profiles><default/></profiles><quotas><default/></quotas><users><default>` +
      `<no_password/><networks><ip>::/0</ip></networks><profile>default</profile>` +
      `<quota>default</quota><grants>${grants}</grants></default></users></clickhouse>\n`,
  )
  await writeFile(
    configPath,
    `<clickhouse><users_config>${xml(usersPath)}</users_config>` +
      `<max_server_memory_usage>${memoryBytesMax}</max_server_memory_usage>` +
      `<mark_cache_size>${markCacheBytes}</mark_cache_size>` +
      `<merge_tree><min_free_disk_bytes_to_perform_insert>${reserveBytes}` +
      `</min_free_disk_bytes_to_perform_insert></merge_tree></clickhouse>\n`,
  )
  await Promise.all([chmod(usersPath, 0o600), chmod(configPath, 0o600)])
  return configPath
}

/**
 * Settings of every connection: times are UTC on any machine, and `SELECT *` brings the names that
 * PacketPulse wrote (`id`, `event_tsp`) too, after the others.
 */
const COMMON_SETTINGS: readonly string[] = [
  '--session_timezone=UTC',
  '--asterisk_include_alias_columns=1',
]

/** Settings of our own connections; a connection does not take them from another. */
export const OWN_SETTINGS: readonly string[] = [
  ...COMMON_SETTINGS,
  '--output_format_json_quote_64bit_integers=1',
  '--async_insert=0',
  '--max_insert_threads=1',
  // Polygons of regions stand in the question about deliveries.
  '--max_query_size=8388608',
]

/** What the console's statements are known by among those that run. */
export const CONSOLE_COMMENT = 'console'

/** Settings of the console's connections: read-only, and bounded in everything. */
export function consoleSettings(limits: ConsoleLimits): readonly string[] {
  return [
    ...COMMON_SETTINGS,
    '--output_format_pretty_color=0',
    `--max_execution_time=${limits.timeSecondsMax}`,
    '--timeout_before_checking_execution_speed=0',
    `--max_memory_usage=${limits.memoryBytesMax}`,
    `--max_result_rows=${limits.rowsMax}`,
    `--max_result_bytes=${limits.bytesMax}`,
    '--result_overflow_mode=throw',
    `--max_rows_to_read=${limits.readRowsMax}`,
    '--read_overflow_mode=throw',
    '--max_threads=1',
    '--max_query_size=262144',
    '--max_ast_depth=500',
    '--max_ast_elements=20000',
    '--max_expanded_ast_elements=100000',
    '--max_parser_depth=500',
    '--max_subquery_depth=50',
    '--allow_ddl=0',
    '--allow_introspection_functions=0',
    '--implicit_select=0',
    `--log_comment=${CONSOLE_COMMENT}`,
    '--readonly=1',
  ]
}

function xml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
