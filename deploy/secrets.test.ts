import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { VirtualClock } from '../actors/kernel/clock.ts'
import { SECRET_LIMITS, Secrets } from './secrets.ts'

let dataDir = ''
let clock = new VirtualClock()
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'orrery-secrets-'))
  clock = new VirtualClock()
})
afterEach(() => rmSync(dataDir, { recursive: true }))

/** As a start does when everything else went well. */
async function open(apiKey = '') {
  const opened = await Secrets.open({ dataDir, apiKey, clock })
  opened.secrets.save()
  return opened
}
const stored = (): string => readFileSync(join(dataDir, 'secrets.json'), 'utf8')

describe('the first start', () => {
  test('makes a key and a password, shows each once and stores only hashes', async () => {
    const { secrets, fresh } = await open()
    const { ingestKey, adminPassword } = fresh
    if (ingestKey === null || adminPassword === null) throw new Error('nothing was made')
    expect(ingestKey).toMatch(/^orrery_[\w-]{43}$/)
    expect(adminPassword).toMatch(/^([a-z2-9]{5}-){3}[a-z2-9]{5}$/)
    expect(secrets.verifyKey(ingestKey)).toBe('default')
    expect(await secrets.verifyPassword(adminPassword)).toBe(true)
    expect(stored()).not.toContain(ingestKey)
    expect(stored()).not.toContain(adminPassword)
    expect(statSync(join(dataDir, 'secrets.json')).mode & 0o777).toBe(0o600)

    const again = await open()
    expect(again.fresh).toEqual({ ingestKey: null, adminPassword: null })
    expect(again.secrets.verifyKey(ingestKey)).toBe('default')
    expect(await again.secrets.verifyPassword(adminPassword)).toBe(true)
  })

  test('with API_KEY that one is accepted and never stored', async () => {
    const { secrets, fresh } = await open('mars-secret-key')
    expect(fresh.ingestKey).toBeNull()
    expect(secrets.verifyKey('mars-secret-key')).toBe('API_KEY')
    expect(JSON.parse(stored()).keys).toEqual([])
  })

  test('a start without API_KEY after one with it makes the missing key', async () => {
    await open('mars-secret-key')
    const { secrets, fresh } = await open()
    expect(secrets.verifyKey('mars-secret-key')).toBeNull()
    expect(secrets.verifyKey(fresh.ingestKey ?? '')).toBe('default')
    expect(fresh.adminPassword).toBeNull()
  })

  test('a start that fails before it could show them keeps nothing', async () => {
    const { fresh } = await Secrets.open({ dataDir, apiKey: '', clock })
    const again = await open()
    expect(again.secrets.verifyKey(fresh.ingestKey ?? '')).toBeNull()
    expect(again.secrets.verifyKey(again.fresh.ingestKey ?? '')).toBe('default')
    expect(again.fresh.adminPassword).not.toBeNull()
  })

  test('a damaged file stops the start and is left as it is', async () => {
    writeFileSync(join(dataDir, 'secrets.json'), '{"keys":[]')
    await expect(open()).rejects.toThrow('secrets.json is damaged')
    expect(stored()).toBe('{"keys":[]')
  })
})

describe('keys', () => {
  test('what is no key has no name', async () => {
    const { secrets, fresh } = await open()
    const key = fresh.ingestKey ?? ''
    const hash = JSON.parse(stored()).keys[0].hash
    for (const wrong of ['', 'x', `${key} `, key.slice(0, -1), hash]) {
      expect(secrets.verifyKey(wrong)).toBeNull()
    }
  })

  test('a further key works beside the first until it is revoked', async () => {
    const { secrets, fresh } = await open()
    const key = secrets.addKey('depot-2')
    const replaced = secrets.addKey('depot-2')
    expect(secrets.verifyKey(key)).toBeNull()
    expect(secrets.verifyKey(replaced)).toBe('depot-2')
    expect(secrets.revokeKey('depot-2')).toBe(true)
    expect(secrets.revokeKey('depot-2')).toBe(false)
    const { secrets: again } = await open()
    expect(again.verifyKey(replaced)).toBeNull()
    expect(again.verifyKey(fresh.ingestKey ?? '')).toBe('default')
    expect(() => secrets.addKey('no spaces')).toThrow("'no spaces' is no name of a key")
  })

  test('a minted key ends after its time and is in no file', async () => {
    const { secrets } = await open()
    const before = stored()
    const { key, expiresMs } = secrets.mintKey('simulator')
    expect(secrets.verifyKey(key)).toBe('simulator')
    expect(stored()).toBe(before)
    expect((await open()).secrets.verifyKey(key)).toBeNull()
    await clock.advanceMs(expiresMs - clock.nowMs())
    expect(secrets.verifyKey(key)).toBeNull()
  })

  test('minted keys are bounded, and room comes back with time', async () => {
    const { secrets } = await open()
    for (let made = 0; made < SECRET_LIMITS.mintedKeysMax; made++) secrets.mintKey('simulator')
    expect(() => secrets.mintKey('simulator')).toThrow('minted keys are in use')
    await clock.advanceMs(SECRET_LIMITS.mintedKeyMs)
    expect(secrets.mintKey('simulator').key).toHaveLength(43)
  })
})

describe('browsers', () => {
  test('a session holds over a restart, until signed out', async () => {
    const { secrets } = await open()
    const token = secrets.signIn()
    const other = secrets.signIn()
    expect(stored()).not.toContain(token)
    const { secrets: again } = await open()
    expect(again.verifySession(token)).toBe(true)
    again.signOut(token)
    expect(again.verifySession(token)).toBe(false)
    expect(again.verifySession(other)).toBe(true)
    expect((await open()).secrets.verifySession(token)).toBe(false)
  })

  test('a session ends after its time', async () => {
    const { secrets } = await open()
    const token = secrets.signIn()
    await clock.advanceMs(SECRET_LIMITS.sessionMs - 1)
    expect(secrets.verifySession(token)).toBe(true)
    await clock.advanceMs(1)
    expect(secrets.verifySession(token)).toBe(false)
  })

  test('a new password signs every browser out', async () => {
    const { secrets, fresh } = await open()
    const token = secrets.signIn()
    const password = await secrets.resetPassword()
    expect(secrets.verifySession(token)).toBe(false)
    expect(await secrets.verifyPassword(fresh.adminPassword ?? '')).toBe(false)
    expect(await secrets.verifyPassword(password)).toBe(true)
  })
})
