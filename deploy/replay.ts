import { resolve } from 'node:path'

import { systemClock } from '../actors/kernel/clock.ts'
import { messageOf, OrreryError } from '../actors/kernel/errors.ts'
import { jsonLog } from '../actors/kernel/telemetry.ts'
import { findControlSocket } from '../simulator/control-socket.ts'
import { ingestOverControl, ingestOverHttp, type IngestPort } from '../simulator/ingest-client.ts'
import { noProgress, openProgress } from '../simulator/replay-progress.ts'
import { replaySummary, showReplayProgress } from '../simulator/replay-report.ts'
import { openReplaySource, type ReplaySource } from '../simulator/replay-source.ts'
import { replay, untilTaken } from '../simulator/replay.ts'
import { readConfig } from './config.ts'
import { openDataDir } from './data-dir.ts'
import {
  parseReplayCommand,
  REPLAY_HELP,
  type ReplayCommand,
  UsageError,
} from './replay-options.ts'
import { type Config } from './settings.ts'

const EXIT_FAILED = 1
const EXIT_USAGE = 2
const EXIT_REFUSED = 4

type Environment = Readonly<Record<string, string | undefined>>

/** Opens this process's own stores, runs with a way in, and closes them again. */
export type LocalPipeline = (
  config: Config,
  run: (port: IngestPort) => Promise<void>,
) => Promise<void>

/** `bun run replay`: returns the exit code. */
export async function runReplay(
  args: readonly string[],
  environment: Environment,
  withLocalPipeline: LocalPipeline,
): Promise<number> {
  const command = parseReplayCommand(args)
  if (!command) {
    process.stdout.write(`${REPLAY_HELP}\n`)
    return 0
  }
  const source = await openReplaySource(command.file, command)
  if (command.flush && source.kind !== 'trips')
    throw new UsageError('--flush is for trips; pings have no windows')
  let code = 0
  try {
    await withPort(command, environment, withLocalPipeline, async (port) => {
      if ((await send(source, port, command, environment)) > 0) code = EXIT_REFUSED
    })
  } finally {
    source.close()
  }
  return code
}

/** Sends the recording, and says what became of it; returns how many rows were refused. */
async function send(
  source: ReplaySource,
  port: IngestPort,
  command: ReplayCommand,
  environment: Environment,
): Promise<number> {
  const { kind } = source
  const clock = systemClock
  const { speed, batchRows, rowsMax } = command
  const dataDir = resolve(environment.DATA_DIR ?? './data')
  const found = openProgress(source, {
    target: command.url?.origin ?? dataDir,
    fallbackDir: dataDir,
    clock,
  })
  const kept = command.file === '-' ? noProgress : found
  const rowsBefore = command.resume ? kept.rowsBefore : 0
  if (kept.rowsBefore > rowsBefore) {
    process.stderr.write(
      `an earlier replay of this file ended after ${kept.rowsBefore} rows; --resume goes on there\n`,
    )
  }
  const startedMs = clock.monotonicMs()
  const totals = { bytes: source.bytes, rows: rowsToSend(source, rowsMax, rowsBefore) }
  const progress = showReplayProgress(process.stderr, totals, () => clock.monotonicMs())
  try {
    const left = rowsMax === null ? null : Math.max(0, rowsMax - rowsBefore)
    const body = kind === 'trips' ? port.ingestTrips : port.ingest
    const end = await replay(source.pieces(rowsBefore), (ndjson) => body(ndjson), {
      ...{ batchRows, speed, clock, rowsMax: left },
      onProgress(state) {
        kept.reached(rowsBefore + state.sent)
        progress.show(state)
      },
    })
    if (command.flush) {
      const again = { clock, answered: end.sent > 0, onRepeat() {} }
      await untilTaken(() => port.flushTrips(), again)
    }
    kept.done()
    progress.end()
    const tookS = (clock.monotonicMs() - startedMs) / 1_000
    const about = { kind, tookS, rowsBefore, flushed: command.flush }
    process.stdout.write(`${replaySummary(end, about)}\n`)
    return end.refused
  } catch (thrown) {
    progress.end()
    kept.save()
    throw thrown
  }
}

function rowsToSend(source: ReplaySource, rowsMax: number | null, before: number): number | null {
  if (source.rows === null) return rowsMax
  return Math.max(0, Math.min(source.rows, rowsMax ?? source.rows) - before)
}

async function withPort(
  command: ReplayCommand,
  environment: Environment,
  withLocalPipeline: LocalPipeline,
  run: (port: IngestPort) => Promise<void>,
): Promise<void> {
  if (command.url) {
    const key = command.key ?? environment.API_KEY
    if (!key) throw new UsageError('--url needs a key: --key KEY or API_KEY')
    return run(ingestOverHttp(command.url, key))
  }
  const outcome = readConfig(environment)
  if (!outcome.ok) throw new OrreryError('configuration', outcome.message)
  const control = await findControlSocket(outcome.config.dataDir)
  if (control) {
    await run(ingestOverControl(control))
    // So that a question asked now sees every row.
    await control.fetch('/flush', { method: 'POST' })
    return
  }
  return withLocalPipeline(outcome.config, run)
}

/** Opens the stores in this process, for as long as the replay takes. */
const localPipeline: LocalPipeline = async (config, run) => {
  const dataDir = openDataDir(config.dataDir, { create: true })
  if (!dataDir.ok) throw new OrreryError('data_dir', dataDir.message)
  try {
    // Loaded only when no server runs that could take the pings.
    const { withLocalPipeline } = await import('./wiring.ts')
    const level = config.logLevel === 'info' ? 'warn' : config.logLevel
    const log = jsonLog(level, (line) => process.stderr.write(`${line}\n`), Date.now)
    await withLocalPipeline(config, log, (ingest) => {
      const answer = (path: string, init?: RequestInit): Promise<Response> =>
        ingest(new Request(`http://localhost${path}`, init))
      return run(ingestOverControl({ path: config.dataDir, fetch: answer }))
    })
  } finally {
    dataDir.release()
  }
}

if (import.meta.main) {
  const code = await runReplay(process.argv.slice(2), process.env, localPipeline).catch(
    (thrown: unknown) => {
      const usage = thrown instanceof UsageError
      const hint = usage ? ' (--help shows how)' : ''
      process.stderr.write(`replay: ${messageOf(thrown)}${hint}\n`)
      return usage ? EXIT_USAGE : EXIT_FAILED
    },
  )
  process.exit(code)
}
