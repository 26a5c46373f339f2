import { afterEach, expect, test } from 'bun:test'
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { OrreryError } from '../actors/kernel/errors.ts'
import { createApp } from './app.ts'
import { createControlApp, serveControl } from './control.ts'
import type { Control } from './ports.ts'
import { TestIngest, testPorts, TestTripsIngest, wirePing, wireTrip } from './testing.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

function open(control: Partial<Control> = {}): Readonly<{
  ingest: TestIngest
  trips: TestTripsIngest
  app: ReturnType<typeof createControlApp>
}> {
  const ingest = new TestIngest()
  const trips = new TestTripsIngest()
  const ports = testPorts({ ingest, trips })
  const gateway = createApp(ports)
  cleanups.push(() => gateway.live.close())
  const app = createControlApp(
    ports,
    {
      sql: async (text, format) => new TextEncoder().encode(`${format}: ${text}`),
      flush: async () => {},
      mintKey: () => ({ key: 'minted', expiresMs: 5 }),
      ...control,
    },
    gateway,
  )
  return { ingest, trips, app }
}

const post = (body: string): RequestInit => ({ method: 'POST', body })

test('the owner needs no key, and what comes this way says so', async () => {
  const { ingest, app } = open()
  const answer = await app.request('/ingest', post(JSON.stringify(wirePing())))
  expect(await answer.json()).toEqual({ accepted: 1, refused: [], refusedCount: 0 })
  expect(ingest.offers[0]?.source).toBe('local')
})

test('trips come this way too, and the end of them', async () => {
  const { trips, app } = open()
  const answer = await app.request('/ingest/trips', post(JSON.stringify(wireTrip())))
  expect(await answer.json()).toEqual({ accepted: 1, refused: [], refusedCount: 0 })
  const flushed = await app.request('/ingest/trips/flush', post(''))
  expect(await flushed.json()).toEqual({ flushed: true })
  expect([trips.offers[0]?.source, trips.flushes[0]?.source]).toEqual(['local', 'local'])
})

test('it mints a key and tells its health with details', async () => {
  const { app } = open()
  expect(await (await app.request('/keys', post(''))).json()).toEqual({
    key: 'minted',
    expiresMs: 5,
  })
  expect(JSON.stringify(await (await app.request('/health')).json())).toContain('3 segments')
})

test('a flush is answered when everything is stored', async () => {
  const stored = Promise.withResolvers<void>()
  const { app } = open({ flush: () => stored.promise })
  const answer = app.request('/flush', post(''))
  stored.resolve()
  expect(await (await answer).json()).toEqual({ flushed: true })
})

test('a question is answered in its format, whole or as a stream', async () => {
  const { app } = open()
  const whole = await app.request('/sql', post('{"sql":"SELECT 1","format":"CSV"}'))
  expect(await whole.text()).toBe('CSV: SELECT 1')
  const streaming = open({ sql: async () => new Blob(['1\n', '2\n']).stream() })
  const answer = await streaming.app.request('/sql', post('{"sql":"SELECT 1"}'))
  expect(await answer.text()).toBe('1\n2\n')
})

test('a question that is refused is 400 with the reason', async () => {
  const { app } = open({
    sql: () => Promise.reject(new OrreryError('sql', 'unknown table vehicle')),
  })
  const answer = await app.request('/sql', post('{"sql":"SELECT 1 FROM vehicle"}'))
  expect(answer.status).toBe(400)
  expect(await answer.json()).toEqual({ error: { code: 'sql', message: 'unknown table vehicle' } })
  for (const body of ['', '{}', '{"sql":""}', '{"sql":"SELECT 1","format":"; DROP"}', '[]']) {
    expect((await app.request('/sql', post(body))).status).toBe(400)
  }
})

test('dead letters are listed and retried without a sign-in', async () => {
  const { app } = open()
  expect(await (await app.request('/dead-letters?limit=5')).json()).toEqual({
    deadLetters: [],
    next: null,
    total: 0,
    byCode: {},
  })
  expect((await app.request('/dead-letters/retry', post('{"code":"poison"}'))).status).toBe(200)
  expect((await app.request('/dead-letters/0-1-0/retry', post(''))).status).toBe(404)
})

test('its socket opens to its owner only, replaces one left behind, and goes with the server', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'orrery-control-'))
  cleanups.push(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'control.sock')
  await Bun.write(path, 'left behind')
  const { app } = open()
  const served = serveControl(app, path)
  expect(statSync(path).mode & 0o777).toBe(0o600)
  const answer = await fetch('http://localhost/keys', { method: 'POST', unix: path })
  expect(await answer.json()).toEqual({ key: 'minted', expiresMs: 5 })
  await served.stop()
  expect(existsSync(path)).toBe(false)
})

test('a path that is too long for a socket is one clear error', () => {
  const { app } = open()
  expect(() => serveControl(app, `/${'x'.repeat(200)}/control.sock`)).toThrow(
    'longer than 107 bytes',
  )
})
