import { createHash } from 'node:crypto'

import type { Clock } from '../actors/kernel/clock.ts'
import type { Accounts } from './ports.ts'

const KEY_LENGTH_MAX = 256
const REMEMBERED_MAX = 1_000
/** A key that was taken back works this much longer, at most. */
const REMEMBERED_MS = 1_000

/**
 * Ingest keys, looked up at the accounts and remembered for a moment by their SHA-256: a vehicle that
 * posts each second costs one look-up, and neither this memory nor its timing shows a key.
 */
export class Keys {
  readonly #accounts: Pick<Accounts, 'verifyKey'>
  readonly #clock: Clock
  readonly #remembered = new Map<string, Readonly<{ name: string; untilMs: number }>>()

  constructor(accounts: Pick<Accounts, 'verifyKey'>, clock: Clock) {
    this.#accounts = accounts
    this.#clock = clock
  }

  /** The key's name, or null. */
  nameOf(key: string): string | null {
    if (key.length === 0 || key.length > KEY_LENGTH_MAX) return null
    const nowMs = this.#clock.monotonicMs()
    const hash = createHash('sha256').update(key).digest('base64')
    const found = this.#remembered.get(hash)
    if (found && found.untilMs > nowMs) return found.name
    const name = this.#accounts.verifyKey(key)
    if (name === null) {
      this.#remembered.delete(hash)
      return null
    }
    if (this.#remembered.size >= REMEMBERED_MAX) this.#remembered.clear()
    this.#remembered.set(hash, { name, untilMs: nowMs + REMEMBERED_MS })
    return name
  }
}

/** The key that a request carries as `Authorization: Bearer` or `X-API-Key`, or null. */
export function keyOfHeaders(headers: Headers): string | null {
  const bearer = /^Bearer +(\S+) *$/i.exec(headers.get('authorization') ?? '')?.[1]
  return bearer ?? headers.get('x-api-key')?.trim() ?? null
}
