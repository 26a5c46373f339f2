import { parseArgs } from 'node:util'

import { messageOf } from '../actors/kernel/errors.ts'

/** What stands behind `bun run start`. */
export type StartFlags = Readonly<{
  demo: boolean
  /** With trips of the fleet too. */
  demoTrips: boolean
  help: boolean
  config: boolean
  json: boolean
  port?: string | undefined
  dataDir?: string | undefined
  newKey?: string | undefined
  revokeKey?: string | undefined
  newPassword: boolean
}>

export type FlagsOutcome<Flags> =
  Readonly<{ ok: true; flags: Flags }> | Readonly<{ ok: false; message: string }>

/** The text of `bun run start --help`. */
export const START_HELP = `usage: bun run start [flags]

  --demo              with a simulated fleet of 200 vehicles inside
  --demo-trips        and with its taxi trips, for the page /regions; they happen now, so recordings of the
                      past are late from then on: give them a DATA_DIR of their own
  --port N            PORT for this run
  --data-dir FOLDER   DATA_DIR for this run
  --config [--json]   print every setting, where it came from, and what stands behind each port; then end
  --new-key NAME      make an ingest key, show it once and start (replaces the key of that name)
  --revoke-key NAME   forget an ingest key and start
  --new-password      make a new admin password, show it once and start
  --help              this text

Settings come from the environment or a .env file: --config lists them.`

/** Reads the flags of `start`; the message of a wrong one fits on one line. */
export function readStartFlags(args: readonly string[]): FlagsOutcome<StartFlags> {
  return oneLine(() => {
    const { values } = parseArgs({
      args: [...args],
      options: {
        demo: { type: 'boolean', default: false },
        'demo-trips': { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
        config: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        port: { type: 'string' },
        'data-dir': { type: 'string' },
        'new-key': { type: 'string' },
        'revoke-key': { type: 'string' },
        'new-password': { type: 'boolean', default: false },
      },
    })
    const { 'data-dir': dataDir, 'new-key': newKey, 'revoke-key': revokeKey, ...others } = values
    const demoTrips = values['demo-trips']
    const demo = values.demo || demoTrips
    const newPassword = values['new-password']
    return { ...others, demo, demoTrips, dataDir, newKey, revokeKey, newPassword }
  })
}

/** Runs a parser of flags and turns what it throws into one line. */
export function oneLine<Flags>(read: () => Flags): FlagsOutcome<Flags> {
  try {
    return { ok: true, flags: read() }
  } catch (cause) {
    const [first = ''] = messageOf(cause).split('\n')
    return { ok: false, message: `${first.replace(/\.( .*)?$/, '')}; --help lists the flags` }
  }
}
