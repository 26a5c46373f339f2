import { afterEach, describe, expect, test } from 'bun:test'

import { systemClock, VirtualClock } from '../actors/kernel/clock.ts'
import { messageOf, OrreryError } from '../actors/kernel/errors.ts'
import { jsonLog, type Log } from '../actors/kernel/telemetry.ts'
import { openClickHouseServer } from '../sinks/clickhouse/server-open.ts'
import { Parts, patiently } from './patience.ts'

const away = new OrreryError('store', 'connection refused', { retriable: true })

function world() {
  const clock = new VirtualClock()
  const lines: Record<string, unknown>[] = []
  const log: Log = jsonLog(
    'info',
    (line) => lines.push(JSON.parse(line)),
    () => clock.nowMs(),
  )
  const stop = new AbortController()
  const parts = new Parts()
  const options = {
    ...{ clock, log, parts, signal: stop.signal, random: () => 0.5 },
    where: 'kafka:9092',
    check: 'is the broker up, and is KAFKA_BOOTSTRAP_SERVERS right?',
  }
  return { clock, lines, stop, parts, options }
}

describe('opening a store that may be away', () => {
  test('what is there is opened at once, and nothing is said', async () => {
    const { options, lines, parts } = world()
    parts.needed('kafka', 'kafka:9092')
    expect(await patiently('kafka', async () => 7, options)).toBe(7)
    expect(lines).toEqual([])
    expect(parts.notReady()).toBeNull()
  })

  test('it is tried until it is there; one line says where and what to check', async () => {
    const { options, lines, parts, clock } = world()
    let tries = 0
    const opening = patiently(
      'kafka',
      async () => {
        if (++tries < 4) throw away
        return tries
      },
      options,
    )
    await clock.advanceMs(0)
    expect(parts.notReady()).toBe('kafka (kafka:9092) does not answer')
    expect(parts.health()['kafka']?.detail).toBe('kafka:9092 does not answer: connection refused')
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatchObject({
      ...{ level: 'warn', store: 'kafka', where: 'kafka:9092', error: 'connection refused' },
      check: options.check,
    })
    await clock.advanceMs(10_000)
    expect(await opening).toBe(4)
    expect(lines).toHaveLength(2)
    expect(lines[1]).toMatchObject({ level: 'info', store: 'kafka', tries: 3 })
    expect(parts.notReady()).toBeNull()
  })

  test('over an hour it is said seldom, and tried no more often than every few seconds', async () => {
    const { options, lines, clock, stop } = world()
    let tries = 0
    const opening = patiently(
      'kafka',
      async () => {
        tries++
        throw away
      },
      options,
    )
    await clock.advanceMs(3_600_000)
    expect(lines.length).toBeGreaterThan(50)
    expect(lines.length).toBeLessThanOrEqual(61)
    // Half of ten seconds each, by the random that was handed in.
    expect(tries).toBeGreaterThan(700)
    expect(tries).toBeLessThan(740)
    stop.abort(new Error('told to stop'))
    expect(await opening.catch(messageOf)).toBe('told to stop')
    expect(clock.waiting).toBe(0)
  })

  test.each([
    ['for good', new OrreryError('store', 'the password is wrong')],
    ['of another kind', new TypeError('a mistake')],
  ])('a failure %s is thrown at once', async (_, thrown) => {
    const { options, lines, clock } = world()
    const opening = patiently('kafka', () => Promise.reject(thrown), options)
    expect(await opening.catch((cause: unknown) => cause)).toBe(thrown)
    expect({ waiting: clock.waiting, lines }).toEqual({ waiting: 0, lines: [] })
  })
})

describe('parts', () => {
  test('each missing one is named, and each has its state', () => {
    const parts = new Parts()
    parts.needed('kafka', 'kafka:9092')
    parts.needed('redis', 'redis:6379')
    parts.needed('clickhouse', 'ch:8123')
    parts.present('redis', 'redis:6379')
    expect(parts.notReady()).toBe('kafka (kafka:9092), clickhouse (ch:8123) do not answer')
    expect(parts.health()).toEqual({
      kafka: { status: 'unhealthy', detail: 'kafka:9092 does not answer' },
      redis: { status: 'healthy', detail: 'redis:6379 answered' },
      clickhouse: { status: 'unhealthy', detail: 'ch:8123 does not answer' },
    })
  })
})

describe('with a real port', () => {
  let server: ReturnType<typeof Bun.serve> | null = null
  afterEach(() => server?.stop(true))

  test('a ClickHouse that nobody listens for is waited for, until it says what is wrong for good', async () => {
    const probe = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response() })
    const port = probe.port ?? 0
    await probe.stop(true)
    const { options, lines, parts } = world()
    const where = `127.0.0.1:${port}`
    const asks = { url: `http://${where}`, user: 'default', password: '', database: 'db' }
    const opening = patiently(
      'clickhouse',
      () => openClickHouseServer({ ...asks, log: options.log }),
      {
        ...{ ...options, clock: systemClock, where, backoff: { firstMs: 1, longestMs: 50 } },
        log: {
          ...options.log,
          // Only now does somebody listen: a server that knows no such user.
          warn(fields, message) {
            options.log.warn(fields, message)
            server ??= Bun.serve({ port, hostname: '127.0.0.1', fetch: wrongPassword })
          },
        },
      },
    )
    const thrown: unknown = await opening.catch((cause: unknown) => cause)
    expect(thrown).toMatchObject({ code: 'clickhouse_open', retriable: false })
    expect(parts.notReady()).toBe(`clickhouse (${where}) does not answer`)
    expect(lines[0]).toMatchObject({ store: 'clickhouse', where })
  })
})

function wrongPassword(): Response {
  return new Response(
    'Code: 516. DB::Exception: default: Authentication failed. (AUTHENTICATION_FAILED)',
    {
      status: 403,
      headers: { 'X-ClickHouse-Exception-Code': '516' },
    },
  )
}
