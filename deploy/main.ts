import { networkInterfaces } from 'node:os'

import { systemClock } from '../actors/kernel/clock.ts'
import { messageOf } from '../actors/kernel/errors.ts'
import { jsonLog, type Log, Telemetry } from '../actors/kernel/telemetry.ts'
import manifest from '../package.json' with { type: 'json' }
import { adaptersOf } from './adapters.ts'
import { adaptersText, configText, effectiveSettings } from './config-table.ts'
import { type ConfigOutcome, readConfig } from './config.ts'
import { openDataDir } from './data-dir.ts'
import { readStartFlags, START_HELP, type StartFlags } from './flags.ts'
import { portTrouble } from './port.ts'
import type { Running, StartOptions } from './running.ts'
import { type FreshSecrets, Secrets } from './secrets.ts'
import type { Config } from './settings.ts'
import { runUntilStopped } from './shutdown.ts'
import { summary } from './summary.ts'

const EXIT_USAGE = 2
const THREADS_MIN = 8
/** A shorter key of one's own can be tried out over the network. */
const KEY_LENGTH_SAFE = 12

/** Starts the system with real adapters, or with others in a test. */
export type StartOrrery = (options: StartOptions) => Promise<Running>

/** `bun run start`: checks everything that can be wrong, starts, waits for the end; the exit code. */
export async function main(args: readonly string[], startOrrery: StartOrrery): Promise<number> {
  ignoreClosedOutput()
  const read = readStartFlags(args)
  if (!read.ok) return complain(read.message, EXIT_USAGE)
  const { flags } = read
  if (flags.help) return say(`${START_HELP}\n`)

  const given = {
    ...(flags.port === undefined ? {} : { PORT: flags.port }),
    ...(flags.dataDir === undefined ? {} : { DATA_DIR: flags.dataDir }),
  }
  const outcome = readConfig(process.env, given)
  if (!outcome.ok) return complain(outcome.message, EXIT_USAGE)
  if (flags.config) return say(configShown(outcome, flags.json))
  return run(outcome.config, flags, startOrrery)
}

/** Every setting and what follows from them, without secrets. */
function configShown(
  { config, origins }: Extract<ConfigOutcome, { ok: true }>,
  asJson: boolean,
): string {
  const settings = effectiveSettings(config, origins)
  const { roles, reasons } = adaptersOf(config)
  if (!asJson) return `${configText(settings)}\n\n${adaptersText(roles, reasons)}\n`
  return `${JSON.stringify({ settings, roles: [...roles], adapters: reasons }, null, 2)}\n`
}

async function run(config: Config, flags: StartFlags, startOrrery: StartOrrery): Promise<number> {
  const log = jsonLog(config.logLevel, (line) => process.stderr.write(`${line}\n`), Date.now)
  // Whatever is made from here on is for this user's eyes only.
  process.umask(0o077)
  const dataDir = openDataDir(config.dataDir, { create: true })
  if (!dataDir.ok) return complain(dataDir.message)
  const trouble = portTrouble(config.host, config.port)
  if (trouble !== null) {
    dataDir.release()
    return complain(trouble)
  }
  warnOfFewThreads(log)
  if (config.apiKey !== '' && config.apiKey.length < KEY_LENGTH_SAFE) {
    log.warn({ characters: config.apiKey.length }, 'API_KEY is short enough to be guessed')
  }
  try {
    const { accounts, fresh } = await openAccounts(config, flags)
    const telemetry = new Telemetry()
    const { demo, demoTrips } = flags
    const running = await startOrrery({ config, accounts, log, telemetry, demo, demoTrips })
    const stopped = runUntilStopped(running, { source: process, clock: systemClock, log })
    accounts.save()
    say(summarise(config, running, fresh, demo))
    return await stopped
  } catch (cause) {
    log.debug({ stack: cause instanceof Error ? cause.stack : undefined }, 'start failed')
    return complain(`cannot start: ${messageOf(cause)}`)
  } finally {
    dataDir.release()
  }
}

async function openAccounts(
  config: Config,
  flags: StartFlags,
): Promise<Readonly<{ accounts: Secrets; fresh: FreshSecrets }>> {
  const { dataDir, apiKey } = config
  const { secrets, fresh } = await Secrets.open({ dataDir, apiKey, clock: systemClock })
  if (flags.revokeKey !== undefined && !secrets.revokeKey(flags.revokeKey)) {
    throw new Error(`there is no key named '${flags.revokeKey}'`)
  }
  const ingestKey = flags.newKey === undefined ? fresh.ingestKey : secrets.addKey(flags.newKey)
  const adminPassword = flags.newPassword ? await secrets.resetPassword() : fresh.adminPassword
  return { accounts: secrets, fresh: { ingestKey, adminPassword } }
}

function summarise(config: Config, running: Running, fresh: FreshSecrets, demo: boolean): string {
  const networkAddresses = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter((address) => !address.internal && address.family === 'IPv4')
    .map((address) => address.address)
  const { host, port } = running.address
  const colour = process.stdout.isTTY && (process.env['NO_COLOR'] ?? '') === ''
  const { version } = manifest
  return summary({ version, config, host, port, networkAddresses, fresh, demo, colour })
}

/** Disk and engine share Bun's thread pool; with as few threads as cores, one long query stops every sync. */
function warnOfFewThreads(log: Log): void {
  const threads = Number(process.env['UV_THREADPOOL_SIZE'] ?? 0)
  if (threads >= THREADS_MIN) return
  log.warn({ threads }, 'UV_THREADPOOL_SIZE is missing or under 8; start with "bun run start"')
}

/** `bun run start | head` must not end the process when `head` does. */
function ignoreClosedOutput(): void {
  process.stdout.on('error', () => {})
  process.stderr.on('error', () => {})
}

function say(text: string): number {
  process.stdout.write(text)
  return 0
}

/** One line for a person, on stderr. */
function complain(message: string, exitCode = 1): number {
  process.stderr.write(`orrery: ${message}\n`)
  return exitCode
}
