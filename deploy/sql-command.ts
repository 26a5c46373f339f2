import { parseArgs } from 'node:util'

import { z } from 'zod'

import { messageOf, OrreryError } from '../actors/kernel/errors.ts'
import { jsonLog, type Log, silentLog } from '../actors/kernel/telemetry.ts'
import { findControlSocket } from '../simulator/control-socket.ts'
import { readConfig } from './config.ts'
import { openDataDir } from './data-dir.ts'
import { oneLine } from './flags.ts'
import type { Config } from './settings.ts'

const HELP = `usage: bun run sql "SELECT …" [flags]
       bun run sql --file FILE | bun run sql - < FILE

  --format NAME    PrettyCompact on a terminal, else TSV; also JSONEachRow, CSV, Markdown, Vertical, …
  --file FILE      read the statement from a file
  --data-dir PATH  DATA_DIR for this run
  --help           this text

Read-only SQL in ClickHouse's dialect, whether the server runs or not.
Tables: sessions_base, session_events, session_movements, trips, region_windows, dead_letters,
bronze.raw_delivery_data, bronze.trips.`

const EXIT_FAILED = 1
const EXIT_USAGE = 2

/** Answers questions; from the stores themselves when no server runs. */
export type LocalSql = Readonly<{
  run(sql: string, format: string): Promise<Uint8Array>
  close(): Promise<void>
}>

type OpenLocal = (config: Config, log: Log) => Promise<LocalSql>
type Answer = AsyncIterable<Uint8Array>

const failure = z.object({ error: z.object({ message: z.string() }) })

/** `bun run sql`: asks the running server, or the stores when none runs; the exit code. */
export async function sqlMain(args: readonly string[], openLocal: OpenLocal): Promise<number> {
  const read = readFlags(args)
  if (!read.ok) return complain(read.message, EXIT_USAGE)
  const { flags } = read
  if (flags.help) {
    process.stdout.write(`${HELP}\n`)
    return 0
  }
  const given = flags.dataDir === undefined ? {} : { DATA_DIR: flags.dataDir }
  const outcome = readConfig(process.env, given)
  if (!outcome.ok) return complain(outcome.message, EXIT_USAGE)
  const format = flags.format ?? (process.stdout.isTTY ? 'PrettyCompact' : 'TSV')
  try {
    const sql = await statement(flags)
    if (sql === '') return complain('no statement given; --help shows how', EXIT_USAGE)
    await ask(sql, format, outcome.config, openLocal)
    return 0
  } catch (cause) {
    // The reader has what it wanted: `bun run sql … | head -1`.
    if (cause instanceof Error && 'code' in cause && cause.code === 'EPIPE') return 0
    return complain(messageOf(cause).replaceAll(/\s*\n\s*/g, ' '), EXIT_FAILED)
  }
}

function readFlags(args: readonly string[]) {
  return oneLine(() => {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        format: { type: 'string' },
        file: { type: 'string' },
        'data-dir': { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
    if (positionals.length > 1) throw new Error('Put the statement in quotes: it came in parts')
    if (values.file !== undefined && positionals.length > 0) {
      throw new Error('Give a statement or --file, not both')
    }
    const { file, format, help, 'data-dir': dataDir } = values
    return { file, format, help, dataDir, statement: positionals[0] }
  })
}

/** The statement from the command line, a file or stdin, without the semicolon that people end it with. */
async function statement(
  flags: Readonly<{ file?: string | undefined; statement?: string | undefined }>,
): Promise<string> {
  let text = flags.statement ?? ''
  if (flags.file !== undefined) text = await Bun.file(flags.file).text()
  else if (text === '-' || (text === '' && !process.stdin.isTTY)) text = await Bun.stdin.text()
  return text.trim().replace(/[;\s]+$/, '')
}

async function ask(
  sql: string,
  format: string,
  config: Config,
  openLocal: OpenLocal,
): Promise<void> {
  const control = await findControlSocket(config.dataDir)
  if (control !== null) {
    const init = { method: 'POST', body: JSON.stringify({ sql, format }) }
    return print(await answerOf(await control.fetch('/sql', init)))
  }
  process.umask(0o077)
  const dataDir = openDataDir(config.dataDir, { create: false })
  if (!dataDir.ok) throw new OrreryError('data_dir', dataDir.message)
  try {
    const local = await openLocal(config, logOf(config))
    try {
      const bytes = await local.run(sql, format)
      await print([bytes])
    } finally {
      await local.close()
    }
  } finally {
    dataDir.release()
  }
}

/** Quiet: an answer and at most one line. Whoever looks for a fault sets LOG_LEVEL=debug. */
function logOf({ logLevel }: Config): Log {
  if (logLevel !== 'debug') return silentLog
  return jsonLog(logLevel, (line) => process.stderr.write(`${line}\n`), Date.now)
}

async function answerOf(response: Response): Promise<Answer> {
  if (response.ok && response.body !== null) return response.body
  const text = await response.text()
  const parsed = failure.safeParse(parseJson(text))
  const message = parsed.success ? parsed.data.error.message : text.slice(0, 500)
  throw new OrreryError('sql', message === '' ? `HTTP ${response.status}` : message)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** Bytes as they come, never more than one piece ahead of the reader. */
async function print(answer: Answer | readonly Uint8Array[]): Promise<void> {
  const out = Bun.stdout.writer()
  for await (const piece of answer) {
    out.write(piece)
    await out.flush()
  }
  await out.end()
}

function complain(message: string, exitCode: number): number {
  process.stderr.write(`orrery: ${message}\n`)
  return exitCode
}
