import { describe, expect, test } from 'bun:test'
import { isAbsolute } from 'node:path'

import { configMarkdown, configText, effectiveSettings, settingRows } from './config-table.ts'
import { camelCase, readConfig } from './config.ts'

function messageFor(environment: Record<string, string>): string {
  const outcome = readConfig(environment)
  if (outcome.ok) throw new Error('was taken')
  return outcome.message
}

describe('reading', () => {
  test('nothing set gives every default', () => {
    const outcome = readConfig({ PATH: '/bin', PORT: '' })
    if (!outcome.ok) throw new Error(outcome.message)
    expect(outcome.config).toMatchObject({ port: 8000, viewers: 'local', logLevel: 'info' })
    expect(isAbsolute(outcome.config.dataDir)).toBe(true)
    expect(new Set(Object.values(outcome.origins))).toEqual(new Set(['default']))
  })

  test('a flag goes before the environment, and both are told apart', () => {
    const outcome = readConfig(
      { PORT: '1', LOG_LEVEL: 'WARN' },
      { PORT: '0', DATA_DIR: '/var/lib/x' },
    )
    if (!outcome.ok) throw new Error(outcome.message)
    expect(outcome.config).toMatchObject({ port: 0, logLevel: 'warn', dataDir: '/var/lib/x' })
    expect(outcome.origins).toMatchObject({
      PORT: 'flag',
      LOG_LEVEL: 'environment',
      HOST: 'default',
    })
  })

  test('every setting has a camel-case name in the configuration', () => {
    const outcome = readConfig({})
    if (!outcome.ok) throw new Error(outcome.message)
    expect(Object.keys(outcome.config).sort()).toEqual(
      settingRows.map((row) => camelCase(row.name)).sort(),
    )
  })
})

describe('refusing', () => {
  test.each([
    [{ PORT: 'abc' }, "PORT: expected a whole number 0–65535, received 'abc'"],
    [{ PORT: '65536' }, "PORT: expected a whole number 0–65535, received '65536'"],
    [{ PORT: '-1' }, "PORT: expected a whole number 0–65535, received '-1'"],
    [{ PORT: '80.5' }, "PORT: expected a whole number 0–65535, received '80.5'"],
    [{ LOG_LEVEL: 'loud' }, "LOG_LEVEL: expected one of debug, info, warn, error, received 'loud'"],
    [
      { TILES_URL: 'https://tiles.example/{z}/{x}.png' },
      "TILES_URL: expected http(s) with {z}, {x} and {y}, received 'https://tiles.example/{z}/{x}.png'",
    ],
  ])('%o says what to write', (environment, message) => {
    expect(messageFor(environment)).toBe(message)
  })

  test('a secret is not repeated in its own error', () => {
    const message = messageFor({ API_KEY: 'hush me' })
    expect(message).toContain('API_KEY: expected 1–256 printable characters')
    expect(message).not.toContain('hush')
  })

  test('a variable of the systems replaced that means nothing here stops the start', () => {
    expect(messageFor({ JWT_SECRET: 'x' })).toBe(
      'JWT_SECRET is set, but browser sessions are random tokens here, nothing is signed; unset it',
    )
    expect(readConfig({ JWT_SECRET: '' }).ok).toBe(true)
  })

  test('settings that cannot stand together stop the start', () => {
    expect(messageFor({ KAFKA_BOOTSTRAP_SERVERS: 'kafka:9092' })).toStartWith(
      'with KAFKA_BOOTSTRAP_SERVERS clean tables are on a server: write CLICKHOUSE_HOST=',
    )
    expect(readConfig({ KAFKA_BOOTSTRAP_SERVERS: '' }).ok).toBe(true)
  })

  test('a misspelt setting is named, a stranger is left alone', () => {
    expect(messageFor({ FRAME_BYTE_MAX: '5' })).toStartWith(
      'FRAME_BYTE_MAX is no setting; did you mean FRAME_BYTES_MAX?',
    )
    expect(readConfig({ SESSION_MANAGER: 'x', HOSTNAME: 'y', LOGLEVEL: 'z' }).ok).toBe(true)
  })
})

describe('printing', () => {
  test('each setting has unit, limit and description', () => {
    for (const row of settingRows) {
      expect([row.name, row.unit, row.limit, row.about]).not.toContain('')
      expect(configMarkdown()).toContain(`| \`${row.name}\` |`)
    }
  })

  test('a secret is masked, an unset one is not', () => {
    const set = readConfig({ API_KEY: 'a-very-secret-key' })
    const unset = readConfig({})
    if (!set.ok || !unset.ok) throw new Error('was refused')
    const text = configText(effectiveSettings(set.config, set.origins))
    expect(text).toMatch(/API_KEY +\*{6} .*environment/)
    expect(text).not.toContain('a-very-secret-key')
    expect(JSON.stringify(effectiveSettings(set.config, set.origins))).not.toContain('secret-key')
    expect(configText(effectiveSettings(unset.config, unset.origins))).toMatch(/API_KEY +–/)
  })
})
