import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { OrreryError } from '../../actors/kernel/errors.ts'
import { secret } from '../../actors/testing/servers.ts'
import { isService, type ServiceName } from '../../actors/testing/services.ts'
import { asRecord, parseJson } from '../wire.ts'

/** What is kept of one service between runs: its address stays the same, and it can be found again. */
export type Kept = Readonly<{ port: number; controllerPort: number; pid: number | null }>

/** What is kept in a folder of services; the file is for its owner's eyes. */
export type State = Readonly<{
  accessKey: string
  secretKey: string
  redisPassword: string
  services: Readonly<Partial<Record<ServiceName, Kept>>>
}>

/** The state of a folder; keys are made when there is none. */
export function readState(dir: string): State {
  const file = fileOf(dir)
  if (!existsSync(file)) {
    return { accessKey: secret(), secretKey: secret(), redisPassword: secret(), services: {} }
  }
  const state = asRecord(parseJson(readFileSync(file, 'utf8')))
  const services: Partial<Record<ServiceName, Kept>> = {}
  for (const [name, value] of Object.entries(asRecord(state?.services) ?? {})) {
    const kept = keptOf(value)
    if (isService(name) && kept) services[name] = kept
  }
  const { accessKey, secretKey, redisPassword } = state ?? {}
  if (!isText(accessKey) || !isText(secretKey) || !isText(redisPassword)) {
    throw new OrreryError('bad_state', `${file} cannot be read: remove it, or name another --dir`)
  }
  return { accessKey, secretKey, redisPassword, services }
}

/** Writes the state so that a crash leaves the former or the new one. */
export function writeState(dir: string, state: State): void {
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const file = fileOf(dir)
  writeFileSync(`${file}.new`, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 })
  renameSync(`${file}.new`, file)
}

/** The state with one service changed. */
export function withService(state: State, name: ServiceName, kept: Kept): State {
  return { ...state, services: { ...state.services, [name]: kept } }
}

function fileOf(dir: string): string {
  return join(dir, 'services.json')
}

function keptOf(value: unknown): Kept | null {
  const { port, controllerPort, pid } = asRecord(value) ?? {}
  if (typeof port !== 'number' || typeof controllerPort !== 'number') return null
  return { port, controllerPort, pid: typeof pid === 'number' ? pid : null }
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}
