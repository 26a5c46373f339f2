import { resolve } from 'node:path'

import type { z } from 'zod'

import { chooseAdapters } from './adapters.ts'
import { settingMeta } from './setting.ts'
import { type Config, configSchema, type SettingName, settings } from './settings.ts'

/** Where a value came from. */
export type Origin = 'default' | 'environment' | 'flag'

/** The configuration with its origins, or one line that says what to write. */
export type ConfigOutcome =
  | Readonly<{ ok: true; config: Config; origins: Readonly<Record<SettingName, Origin>> }>
  | Readonly<{ ok: false; message: string }>

type Environment = Readonly<Record<string, string | undefined>>
type Flags = Readonly<Partial<Record<SettingName, string>>>

/** Names of the systems replaced that mean nothing here: refused, never silently ignored. */
const RESERVED: ReadonlyMap<string, string> = new Map([
  ['JWT_SECRET', 'browser sessions are random tokens here, nothing is signed; unset it'],
])

/** All settings, in the order of the schema. */
export const settingNames = Object.keys(settings) as SettingName[]

/**
 * Reads the settings: a flag goes before the environment, an empty variable counts as not set. Settings that cannot
 * stand together are refused too. The only place that looks at the environment; everything else is handed its `Config`.
 */
export function readConfig(environment: Environment, flags: Flags = {}): ConfigOutcome {
  const refused = refuseNames(environment)
  if (refused !== null) return { ok: false, message: refused }

  const given: Partial<Record<SettingName, string>> = {}
  const origins = {} as Record<SettingName, Origin>
  for (const name of settingNames) {
    const fromEnvironment = environment[name] === '' ? undefined : environment[name]
    const value = flags[name] ?? fromEnvironment
    if (value !== undefined) given[name] = value
    origins[name] =
      flags[name] !== undefined ? 'flag' : value !== undefined ? 'environment' : 'default'
  }

  const parsed = configSchema.safeParse(given)
  if (!parsed.success) return { ok: false, message: describe(parsed.error.issues[0], given) }
  const entries = settingNames.map((name) => [camelCase(name), parsed.data[name]])
  const read = Object.fromEntries(entries) as Config
  const config = { ...read, dataDir: resolve(read.dataDir) }
  const chosen = chooseAdapters(config)
  return chosen.ok ? { ok: true, config, origins } : chosen
}

/** `FRAME_BYTES_MAX` → `frameBytesMax`. */
export function camelCase<Name extends string>(name: Name): string {
  return name.toLowerCase().replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
}

function describe(issue: z.core.$ZodIssue | undefined, given: Flags): string {
  const name = settingNames.find((known) => known === issue?.path[0])
  if (issue === undefined || name === undefined) return 'the configuration cannot be read'
  const value = given[name] ?? ''
  const received = settingMeta.get(settings[name])?.secret
    ? `${value.length} characters that do not fit`
    : `'${value.slice(0, 80)}'`
  return `${name}: expected ${issue.message}, received ${received}`
}

function refuseNames(environment: Environment): string | null {
  for (const [name, value] of Object.entries(environment)) {
    if (value === undefined || value === '') continue
    const reason = RESERVED.get(name)
    if (reason !== undefined) return `${name} is set, but ${reason}`
    const meant = misspelt(name)
    if (meant !== null) return `${name} is no setting; did you mean ${meant}? (--config lists all)`
  }
  return null
}

/**
 * The setting that an unknown name most likely was meant to be. Only long names are compared, and only one or
 * two letters may differ: the environment is full of names that are none of our business.
 */
function misspelt(name: string): SettingName | null {
  if (name.length < 10 || settingNames.some((known) => known === name)) return null
  return settingNames.find((known) => known.length >= 10 && distance(name, known) <= 2) ?? null
}

/** Edit distance of two short names. */
function distance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 2) return 3
  let above = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const replaced = (above[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1)
      current.push(Math.min(replaced, (above[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1))
    }
    above = current
  }
  return above[b.length] ?? 0
}
