import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

import { accepts } from '../../actors/testing/server-process.ts'
import { SERVICES, servicesFolder, skipped } from '../../actors/testing/services.ts'
import { asRecord, parseJson } from '../wire.ts'
import { Registry } from './testing.ts'

const ROOT = dirname(dirname(import.meta.dir))
const noRedis = skipped(['redis'], process.env)

let dir = ''

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'orrery-services-'))
})

afterEach(async () => {
  await services('stop')
  rmSync(dir, { recursive: true })
})

type Said = Readonly<{ code: number; out: string; err: string }>

/** The command as it is shipped, with a cache of its own that is empty. */
async function services(line: string, env: Record<string, string> = {}): Promise<Said> {
  const args = [...line.split(' '), '--dir', join(dir, 'run')]
  const child = Bun.spawn([process.execPath, 'deploy/services.ts', ...args], {
    cwd: ROOT,
    env: { ...process.env, ORRERY_SERVICES_DIR: dir, ...env },
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ])
  return { code, out, err }
}

function settingsOf({ out }: Said): Readonly<Record<string, unknown>> {
  return asRecord(asRecord(parseJson(out))?.settings) ?? {}
}

describe.skipIf(noRedis)('redis by the command', () => {
  test('outlives the command, keeps data, password and port, and ends when told', async () => {
    const started = await services('start redis --json')
    expect(started).toMatchObject({ code: 0 })
    const { REDIS_URL: url } = settingsOf(started)
    const client = new Bun.RedisClient(String(url))
    await client.set('a', '1')
    client.close()
    expect((await services('status redis')).code).toBe(0)
    expect(await services('start redis')).toMatchObject({
      ...{ code: 0, out: `REDIS_URL=${String(url)}\n`, err: 'services: redis: runs already\n' },
    })
    expect(await services('stop redis')).toMatchObject({ err: 'services: redis: stopped\n' })
    expect((await services('status redis')).code).toBe(1)
    const again = settingsOf(await services('start redis --json'))
    expect(again.REDIS_URL).toBe(url)
    const after = new Bun.RedisClient(String(url))
    expect(await after.get('a')).toBe('1')
    after.close()
  })

  test('two that start at once start one', async () => {
    const both = await Promise.all([services('start redis --json'), services('start redis --json')])
    expect(both.map(({ code }) => code)).toEqual([0, 0])
    expect(new Set(both.map(({ out }) => out)).size).toBe(1)
    expect(both.filter(({ err }) => err.includes('runs already'))).toHaveLength(1)
  })

  test('its keys are for the eyes of its owner', async () => {
    await services('start redis')
    for (const name of ['services.json', 'redis/redis.conf', 'redis/log']) {
      expect(statSync(join(dir, 'run', name)).mode & 0o077).toBe(0)
    }
  })

  test('one that is frozen is ended all the same', async () => {
    const { out } = await services('start redis --json')
    process.kill(Number(/"pid": (\d+)/.exec(out)?.[1]), 'SIGSTOP')
    expect((await services('stop redis')).err).toBe('services: redis: stopped\n')
  })

  test('a process that got its number is left alone', async () => {
    await services('start redis')
    await services('stop redis')
    const file = join(dir, 'run', 'services.json')
    const state = asRecord(parseJson(await Bun.file(file).text()))
    const redis = { ...asRecord(asRecord(state?.services)?.redis), pid: process.pid }
    writeFileSync(file, JSON.stringify({ ...state, services: { redis } }))
    expect((await services('status redis')).out).toContain('does not run')
    expect((await services('stop redis')).err).toBe('services: redis: did not run\n')
  })
})

describe.skipIf(skipped(SERVICES, process.env))('all of them by one command', () => {
  test('serve, the catalog with its tables on the storage, and are gone afterwards', async () => {
    const cache = { ORRERY_SERVICES_DIR: servicesFolder(process.env) }
    const started = await services('start --json', cache)
    expect(started).toMatchObject({ code: 0 })
    const settings = settingsOf(started)
    const names = `${String(settings.ICEBERG_REST_URL)}/v1/namespaces`
    const headers = { 'content-type': 'application/json' }
    const make = (url: string, body: unknown): Promise<Response> =>
      fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })
    await make(names, { namespace: ['n'] })
    const fields = [{ id: 1, name: 'x', type: 'long', required: false }]
    const schema = { type: 'struct', 'schema-id': 0, fields }
    expect((await make(`${names}/n/tables`, { name: 't', schema })).status).toBe(200)
    const bucket = new Bun.S3Client({
      endpoint: String(settings.MINIO_ENDPOINT),
      accessKeyId: String(settings.MINIO_ACCESS_KEY),
      secretAccessKey: String(settings.MINIO_SECRET_KEY),
      bucket: 'lake',
    })
    expect((await bucket.list())?.contents?.[0]?.key).toStartWith('wh/n/t/metadata/')
    const [host = '', port] = String(settings.KAFKA_BOOTSTRAP_SERVERS).split(':')
    expect(await accepts(host, Number(port))).toBe(true)
    await services('stop')
    expect(await accepts(host, Number(port))).toBe(false)
  }, 180_000)
})

describe('what cannot be done', () => {
  test('a server that is not installed: one sentence that says how', async () => {
    const bare = join(dir, 'bin')
    const said = await services('start redis', { PATH: bare })
    // Where Debian puts it is looked at whatever the PATH.
    if (said.code === 0) return
    expect(said.err).toContain('apt-get install --no-install-recommends redis-server')
  })

  test('a mirror without it: one line that names what is missing, one what to do', async () => {
    using registry = new Registry()
    const said = await services(`install s3 --repository ${registry.url}`)
    expect(said.code).toBe(1)
    expect(said.err).toContain(`services: ${registry.url}/org/gaul/s3proxy/4.1.0/s3proxy-4.1.0`)
    expect(said.err).toContain('run it again')
  })

  test('wrong usage', async () => {
    expect(await services('start mysql')).toMatchObject({
      ...{ code: 2, err: 'services: "mysql" is no service: write kafka, redis, s3, catalog\n' },
    })
  })
})
