import type { Log, Telemetry } from '../actors/kernel/telemetry.ts'
import type { Secrets } from './secrets.ts'
import type { Config } from './settings.ts'

/** What the wiring is started with. */
export type StartOptions = Readonly<{
  config: Config
  accounts: Secrets
  log: Log
  telemetry: Telemetry
  /** Run the simulated fleet inside. */
  demo: boolean
  /** With trips of the fleet too. */
  demoTrips: boolean
}>

/** What an orderly stop came to: clean when a restart has nothing to replay. */
export type StopOutcome = Readonly<{ clean: boolean; unflushed: readonly string[] }>

/** A system that takes pings. */
export type Running = Readonly<{
  url: string
  address: Readonly<{ host: string; port: number }>
  /** Stops intake, drains, flushes and closes, within the deadline. */
  stop(deadlineMs: number): Promise<StopOutcome>
}>
