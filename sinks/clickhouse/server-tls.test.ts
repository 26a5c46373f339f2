import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { silentLog } from '../../actors/kernel/telemetry.ts'
import { rejection } from '../conformance-bench.ts'
import { openClickHouseServer } from './server-open.ts'
import { ClickHouseTestServer } from './server-testing.ts'
import { openTestPlace, type TestPlace } from './testing.ts'

const openssl = Bun.which('openssl')
if (!openssl) console.warn('SKIPPED: openssl is missing, so ClickHouse over TLS is not tested')

describe.skipIf(!openssl)('a server with TLS', () => {
  let folder: string
  let place: TestPlace
  let server: ClickHouseTestServer
  let cert: string

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'orrery-tls-'))
    const [keyPath, certPath] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
    const made = Bun.spawnSync([
      ...[openssl ?? '', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
      ...['-nodes', '-days', '2', '-subj', '/CN=localhost', '-keyout', keyPath, '-out', certPath],
      ...['-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost'],
    ])
    expect(made.exitCode).toBe(0)
    cert = await readFile(certPath, 'utf8')
    place = await openTestPlace()
    const tls = { key: await readFile(keyPath, 'utf8'), cert }
    server = await ClickHouseTestServer.open({ directory: place.directory, tls })
  })
  afterAll(async () => {
    await server.close()
    await place.engine.close()
    await rm(folder, { recursive: true })
  })

  const open = (options: object) =>
    openClickHouseServer({
      host: '127.0.0.1',
      port: server.port,
      user: 'default',
      password: '',
      database: place.engine.database,
      log: silentLog,
      ...options,
    })

  test('is trusted by its authority', async () => {
    const engine = await open({ tls: { ca: cert } })
    expect(await engine.query('SELECT 1')).toEqual([[1]])
    expect(await engine.health()).toBeNull()
    await engine.close()
  })

  test('is refused when nobody vouches for it', async () => {
    const before = server.seen.length
    const error = await rejection(open({ tls: {} }))
    expect(error).toMatchObject({ code: 'clickhouse_open', retriable: false })
    expect(String(error)).toMatch(/TLS fails.*check the certificate/)
    expect(server.seen).toHaveLength(before)
  })

  test('is not reached without TLS, nor one without by TLS', async () => {
    const plain = await rejection(open({}))
    expect(plain).toMatchObject({ code: 'clickhouse_open' })
    expect(String(plain)).toContain('check that CLICKHOUSE_PORT is the HTTP port')
    const other = await ClickHouseTestServer.open({ directory: place.directory })
    const secure = await rejection(open({ port: other.port, tls: { ca: cert } }))
    expect(secure).toMatchObject({ code: 'clickhouse_open' })
    await other.close()
  })
})
