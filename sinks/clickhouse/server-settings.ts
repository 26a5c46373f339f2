import type { ClickHouseSettings } from '@clickhouse/client'

import type { ConsoleLimits } from './chdb-config.ts'

/**
 * Settings go with each request, never into a session: requests of a pool would meet each other's.
 * Only settings that a server of 23.8 knows. The whole answer is made before its first byte is sent,
 * so that an error half-way is an error and not the end of an answer.
 */
const COMMON: ClickHouseSettings = {
  session_timezone: 'UTC',
  asterisk_include_alias_columns: 1,
  wait_end_of_query: 1,
}

/** What the statements of this program are known by in `system.processes`. */
export const OWN_COMMENT = 'orrery'

const secondsOf = (timeoutMs: number): number => Math.ceil(timeoutMs / 1_000)

/** For a question of our own: whole numbers of 64 bits as text; it ends when nobody waits for it. */
export function readSettings(timeoutMs: number): ClickHouseSettings {
  return {
    ...COMMON,
    output_format_json_quote_64bit_integers: 1,
    max_query_size: '8388608',
    max_execution_time: secondsOf(timeoutMs),
    cancel_http_readonly_queries_on_client_close: 1,
    log_comment: OWN_COMMENT,
  }
}

/** For a statement that makes tables or writes a row of our own. A host that is down is told of before we give up. */
export function commandSettings(timeoutMs: number): ClickHouseSettings {
  return {
    ...COMMON,
    async_insert: 0,
    distributed_ddl_task_timeout: String(Math.max(1, secondsOf(timeoutMs) - 5)),
    log_comment: OWN_COMMENT,
  }
}

export type InsertSettings = Readonly<{
  token: string
  timeoutMs: number
  comment: string
  /** How many replicas must have the rows; null for a server that has none. */
  quorum: string | null
  /** For rows that are refused after a later claim; `claims` for a claim itself. */
  fence: Readonly<{ claims: boolean }> | null
}>

/** For rows: one block, stored once by its token, answered when it is stored. */
export function insertSettings(options: InsertSettings): ClickHouseSettings {
  return {
    ...COMMON,
    async_insert: 0,
    insert_deduplicate: 1,
    insert_deduplication_token: options.token,
    max_insert_threads: '1',
    max_execution_time: secondsOf(options.timeoutMs),
    log_comment: options.comment,
    ...(options.quorum === null ? {} : quorum(options.quorum, options.timeoutMs)),
    ...(options.quorum === null || !options.fence ? {} : fence(options.fence)),
  }
}

/**
 * On a cluster a claim must be seen wherever a guard is looked at: claims are in a quorum one after the other, and
 * a replica that lacks one does not answer. That only works for tables whose quorums are not parallel.
 */
function fence({ claims }: Readonly<{ claims: boolean }>): ClickHouseSettings {
  return { select_sequential_consistency: '1', ...(claims && { insert_quorum_parallel: 0 }) }
}

function quorum(replicas: string, timeoutMs: number): ClickHouseSettings {
  return { insert_quorum: replicas, insert_quorum_timeout: timeoutMs }
}

/** For a person's statement: read-only, and bounded in everything. */
export function askSettings(limits: ConsoleLimits): ClickHouseSettings {
  return {
    ...COMMON,
    output_format_pretty_color: 0,
    max_execution_time: limits.timeSecondsMax,
    timeout_before_checking_execution_speed: 0,
    max_memory_usage: String(limits.memoryBytesMax),
    max_result_rows: String(limits.rowsMax),
    max_result_bytes: String(limits.bytesMax),
    result_overflow_mode: 'throw',
    max_rows_to_read: String(limits.readRowsMax),
    read_overflow_mode: 'throw',
    max_threads: 1,
    max_query_size: '262144',
    max_ast_depth: '500',
    max_ast_elements: '20000',
    max_expanded_ast_elements: '100000',
    max_parser_depth: '500',
    max_subquery_depth: '50',
    allow_ddl: 0,
    allow_introspection_functions: 0,
    cancel_http_readonly_queries_on_client_close: 1,
    log_comment: `${OWN_COMMENT} console`,
    readonly: '1',
  }
}
