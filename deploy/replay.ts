import { resolve } from 'node:path'
import { parseArgs } from 'node:util'

import { systemClock } from '../actors/kernel/clock.ts'
import { messageOf, OrreryError } from '../actors/kernel/errors.ts'
import { jsonLog } from '../actors/kernel/telemetry.ts'
import { findControlSocket } from '../simulator/control-socket.ts'
import { ingestOverControl, ingestOverHttp, type IngestPort } from '../simulator/ingest-client.ts'
import { replaySummary, showReplayProgress } from '../simulator/replay-report.ts'
import { openReplaySource } from '../simulator/replay-source.ts'
import { replay } from '../simulator/replay.ts'
import { readConfig } from './config.ts'
import { openDataDir } from './data-dir.ts'
import { type Config } from './settings.ts'

const HELP = `Usage: bun run replay FILE [--url http://HOST:PORT --key KEY] [--batch 500]

Sends a recording of pings: NDJSON (.ndjson, .jsonl, or - for stdin) or a JSON list (.json).
Lines that cannot be used are named with their number and reason; the rest goes on.

  --url URL     a server somewhere; without it the one that runs on DATA_DIR, and when none runs
                the pings go straight into DATA_DIR
  --key KEY     ingest key for --url (default: API_KEY)
  --batch N     lines in a body (default 500)
  --help        this text

Exit code: 0 every line accepted; 1 it failed half way or could not begin; 2 wrong usage;
4 some lines were refused.`

const EXIT_FAILED = 1
const EXIT_USAGE = 2
const EXIT_REFUSED = 4
const BATCH_MAX = 10_000

class UsageError extends Error {}

/** Opens this process's own stores, runs with a way in, and closes them again. */
export type LocalPipeline = (
  config: Config,
  run: (port: IngestPort) => Promise<void>,
) => Promise<void>

/** `bun run replay`: returns the exit code. */
export async function runReplay(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  withLocalPipeline: LocalPipeline,
): Promise<number> {
  const options = parseOptions(args)
  if (!options) {
    process.stdout.write(`${HELP}\n`)
    return 0
  }
  const source = await openReplaySource(options.file)
  let code = 0
  await withPort(options, environment, withLocalPipeline, async (port) => {
    const startedMs = systemClock.monotonicMs()
    const now = (): number => systemClock.monotonicMs()
    const progress = showReplayProgress(process.stderr, source.bytes, now)
    const { batchLines } = options
    const onProgress = progress.show
    const end = await replay(source.chunks, port, { batchLines, clock: systemClock, onProgress })
    progress.end()
    process.stdout.write(`${replaySummary(end, (now() - startedMs) / 1_000)}\n`)
    if (end.refused > 0) code = EXIT_REFUSED
  })
  return code
}

type Options = Readonly<{ file: string; url: URL | null; key: string | null; batchLines: number }>

function parseOptions(args: readonly string[]): Options | null {
  const { values, positionals } = parse(args)
  if (values.help) return null
  const [file, ...more] = positionals
  if (file === undefined) throw new UsageError('a file is needed: bun run replay FILE')
  if (more.length > 0)
    throw new UsageError(`one file at a time, please; also given: ${more.join(' ')}`)
  const batchLines = Number(values.batch)
  if (!(Number.isInteger(batchLines) && batchLines >= 1 && batchLines <= BATCH_MAX))
    throw new UsageError(
      `--batch is "${values.batch}": a whole number from 1 to ${BATCH_MAX} is needed`,
    )
  return {
    // Now, while the working directory is still the one that the path was written for.
    file: file === '-' ? file : resolve(file),
    url: values.url === undefined ? null : checkUrl(values.url),
    key: values.key ?? null,
    batchLines,
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        url: { type: 'string' },
        key: { type: 'string' },
        batch: { type: 'string', default: '500' },
        help: { type: 'boolean', default: false },
      },
    })
  } catch (cause) {
    throw new UsageError(messageOf(cause))
  }
}

function checkUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url
  throw new UsageError(`--url "${text}" must be http://HOST:PORT or https://HOST:PORT`)
}

async function withPort(
  options: Options,
  environment: Readonly<Record<string, string | undefined>>,
  withLocalPipeline: LocalPipeline,
  run: (port: IngestPort) => Promise<void>,
): Promise<void> {
  if (options.url) {
    const key = options.key ?? environment.API_KEY
    if (!key) throw new UsageError('--url needs a key: --key KEY or API_KEY')
    return run(ingestOverHttp(options.url, key))
  }
  const outcome = readConfig(environment)
  if (!outcome.ok) throw new OrreryError('configuration', outcome.message)
  const control = await findControlSocket(outcome.config.dataDir)
  if (control) {
    await run(ingestOverControl(control))
    // So that a question asked now sees every ping.
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
