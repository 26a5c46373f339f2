import { timingSafeEqual } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { customAlphabet, nanoid } from 'nanoid'
import { z } from 'zod'

import type { Clock } from '../actors/kernel/clock.ts'
import { OrreryError } from '../actors/kernel/errors.ts'
import type { Accounts } from '../gateway/ports.ts'
import { writeDurably } from './durable-file.ts'

const DAY_MS = 86_400_000

/** What is bounded here, and for how long things hold. */
export const SECRET_LIMITS = {
  keysMax: 1_000,
  mintedKeysMax: 1_000,
  sessionsMax: 1_000,
  sessionMs: 7 * DAY_MS,
  mintedKeyMs: DAY_MS,
} as const

const hash = z.string().regex(/^[0-9a-f]{64}$/)
const fileSchema = z.strictObject({
  keys: z.array(z.strictObject({ name: z.string(), hash, createdMs: z.number() })),
  passwordHash: z.string(),
  sessions: z.array(z.strictObject({ hash, expiresMs: z.number() })),
})
type SecretsFile = z.infer<typeof fileSchema>

/** What was made at the first start; shown once, and never again. */
export type FreshSecrets = Readonly<{ ingestKey: string | null; adminPassword: string | null }>

export type SecretsOptions = Readonly<{
  dataDir: string
  /** `API_KEY`: accepted beside the stored keys and never written; empty for none. */
  apiKey: string
  clock: Clock
}>

// 64 symbols: 43 of them hold 258 bits.
const newToken = (): string => nanoid(43)
// Without letters that look like others: 4 × 5 of 32 symbols hold 100 bits and can be typed.
const passwordPart = customAlphabet('abcdefghijkmnpqrstuvwxyz23456789', 5)

/**
 * Keys, password and browser sessions, kept as hashes in one file of the data folder. Keys and tokens have 256
 * random bits, which nobody can guess: a plain SHA-256 hides them, and a slow hash would only slow the gateway. The
 * password is hashed slowly, since a person may choose the next one.
 */
export class Secrets implements Accounts {
  readonly #path: string
  readonly #clock: Clock
  readonly #apiKeyHash: string | null
  #file: SecretsFile
  #minted: { hash: string; name: string; expiresMs: number }[] = []
  #checking: Promise<unknown> = Promise.resolve()

  private constructor(options: SecretsOptions, file: SecretsFile) {
    this.#path = secretsPath(options.dataDir)
    this.#clock = options.clock
    this.#apiKeyHash = options.apiKey === '' ? null : sha256(options.apiKey)
    this.#file = file
  }

  /**
   * Reads the secrets and makes what is missing: a password, and an ingest key unless there is one or `apiKey`. They
   * are stored by `save`, right before they are shown: a start that fails must not keep what nobody has seen.
   */
  static async open(
    options: SecretsOptions,
  ): Promise<Readonly<{ secrets: Secrets; fresh: FreshSecrets }>> {
    const stored = readSecrets(options.dataDir)
    const secrets = new Secrets(options, stored ?? { keys: [], passwordHash: '', sessions: [] })
    const keyless = secrets.#file.keys.length === 0 && options.apiKey === ''
    const ingestKey = keyless ? secrets.#addKey('default') : null
    const adminPassword = stored === null ? await secrets.#setPassword() : null
    return { secrets, fresh: { ingestKey, adminPassword } }
  }

  verifyKey(key: string): string | null {
    const given = sha256(key)
    let name: string | null = null
    // All are compared, so that the time tells nothing of which one it was.
    for (const known of this.#file.keys) if (sameHash(known.hash, given)) name = known.name
    const nowMs = this.#clock.nowMs()
    for (const known of this.#minted) {
      if (sameHash(known.hash, given) && known.expiresMs > nowMs) name = known.name
    }
    if (this.#apiKeyHash !== null && sameHash(this.#apiKeyHash, given)) name = 'API_KEY'
    return name
  }

  /** One at a time: each costs 19 MiB and some 20 ms of a core. */
  verifyPassword(password: string): Promise<boolean> {
    const check = this.#checking.then(() =>
      Bun.password.verify(password.slice(0, 256), this.#file.passwordHash),
    )
    this.#checking = check.catch(() => false)
    return check
  }

  signIn(): string {
    const token = newToken()
    const nowMs = this.#clock.nowMs()
    const kept = this.#file.sessions.filter((session) => session.expiresMs > nowMs)
    const session = { hash: sha256(token), expiresMs: nowMs + SECRET_LIMITS.sessionMs }
    // Beyond the bound the oldest browser signs in again.
    this.#file.sessions = [...kept, session].slice(-SECRET_LIMITS.sessionsMax)
    try {
      this.save()
    } catch {
      // On a full disk one can still sign in, to look at what fills it; it holds until the next start.
    }
    return token
  }

  verifySession(token: string): boolean {
    const given = sha256(token)
    const nowMs = this.#clock.nowMs()
    return this.#file.sessions.some(
      (session) => sameHash(session.hash, given) && session.expiresMs > nowMs,
    )
  }

  signOut(token: string): void {
    const given = sha256(token)
    const kept = this.#file.sessions.filter((session) => !sameHash(session.hash, given))
    if (kept.length === this.#file.sessions.length) return
    this.#file.sessions = kept
    this.save()
  }

  /** A key for a tool of this machine, in memory only: gone with the process, or after a day. */
  mintKey(name: string): Readonly<{ key: string; expiresMs: number }> {
    const nowMs = this.#clock.nowMs()
    this.#minted = this.#minted.filter((known) => known.expiresMs > nowMs)
    if (this.#minted.length >= SECRET_LIMITS.mintedKeysMax) {
      throw new OrreryError('busy', `${SECRET_LIMITS.mintedKeysMax} minted keys are in use`, {
        retriable: true,
      })
    }
    const key = newToken()
    const expiresMs = nowMs + SECRET_LIMITS.mintedKeyMs
    this.#minted.push({ hash: sha256(key), name: keyName(name), expiresMs })
    return { key, expiresMs }
  }

  /** A further ingest key, stored; one of the same name is replaced. */
  addKey(name: string): string {
    const key = this.#addKey(keyName(name))
    this.save()
    return key
  }

  /** False when there was no key of that name. */
  revokeKey(name: string): boolean {
    const kept = this.#file.keys.filter((known) => known.name !== name)
    if (kept.length === this.#file.keys.length) return false
    this.#file.keys = kept
    this.save()
    return true
  }

  /** A new admin password; every browser is signed out. */
  async resetPassword(): Promise<string> {
    const password = await this.#setPassword()
    this.#file.sessions = []
    this.save()
    return password
  }

  #addKey(name: string): string {
    const others = this.#file.keys.filter((known) => known.name !== name)
    if (others.length >= SECRET_LIMITS.keysMax) {
      throw new OrreryError('limit', `${SECRET_LIMITS.keysMax} keys are stored; revoke one first`)
    }
    const key = `orrery_${newToken()}`
    others.push({ name, hash: sha256(key), createdMs: this.#clock.nowMs() })
    this.#file.keys = others
    return key
  }

  async #setPassword(): Promise<string> {
    const password = [passwordPart(), passwordPart(), passwordPart(), passwordPart()].join('-')
    this.#file.passwordHash = await Bun.password.hash(password, {
      algorithm: 'argon2id',
      memoryCost: 19_456,
      timeCost: 2,
    })
    return password
  }

  /** Writes everything as it stands. */
  save(): void {
    writeDurably(this.#path, `${JSON.stringify(this.#file, null, 2)}\n`)
  }
}

function secretsPath(dataDir: string): string {
  return join(dataDir, 'secrets.json')
}

function readSecrets(dataDir: string): SecretsFile | null {
  const path = secretsPath(dataDir)
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return null
    throw new OrreryError('secrets', `${path} cannot be read`, { cause })
  }
  try {
    return fileSchema.parse(JSON.parse(text))
  } catch (cause) {
    throw new OrreryError('secrets', `${path} is damaged; restore it, or remove it for new keys`, {
      cause,
    })
  }
}

function keyName(name: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(name)) return name
  throw new OrreryError(
    'name',
    `'${name}' is no name of a key: letters, digits, . _ - (at most 63)`,
  )
}

function sha256(text: string): string {
  return new Bun.CryptoHasher('sha256').update(text).digest('hex')
}

function sameHash(a: string, b: string): boolean {
  return timingSafeEqual(Buffer.from(a, 'hex'), Buffer.from(b, 'hex'))
}
