import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test'
import { existsSync } from 'node:fs'

import { systemClock, VirtualClock } from '../../actors/kernel/clock.ts'
import { WINDOW_SIZES_S } from '../../actors/model/window.ts'
import { rejection, signal } from '../conformance-bench.ts'
import { describeWindowStore } from './conformance.ts'
import { REDIS_SERVER, RedisServer } from './redis-server.ts'
import { FOREIGN, RedisWindowStore, type RedisWindowStoreOptions } from './redis-store.ts'
import { changeOf, EXAMPLE_MS, giveUp, sampleTotals, sampleWindow } from './testing.ts'

const present = existsSync(REDIS_SERVER)
if (!present) {
  // In CI it is installed, and its absence is an error.
  if (process.env['CI'] === 'true') {
    throw new Error(`${REDIS_SERVER} is missing: apt-get install redis-server`)
  }
  console.warn(
    `tests of Redis are skipped: ${REDIS_SERVER} is missing (apt-get install redis-server)`,
  )
}

describe.skipIf(!present)('Redis', () => {
  const server = new RedisServer()
  beforeAll(() => server.start())
  afterAll(() => server.dispose())
  const open = (options: Partial<RedisWindowStoreOptions> = {}) =>
    new RedisWindowStore({ url: server.url, clock: systemClock, commandMsMax: 5_000, ...options })

  describeWindowStore('in Redis', async () => {
    await server.send('FLUSHALL')
    return {
      store: open({ windowsPerScript: 700 }),
      reopen: async () => open(),
      cleanup: async () => {},
    }
  })

  describe('windows in Redis', () => {
    let stores: RedisWindowStore[] = []
    const fresh = async (options: Partial<RedisWindowStoreOptions> = {}) => {
      await server.send('FLUSHALL')
      const store = open(options)
      stores.push(store)
      return store
    }
    afterEach(async () => {
      for (const store of stores) await store.close()
      stores = []
    })
    const minute = (at: number, seed = 0) =>
      sampleWindow({ startMs: EXAMPLE_MS + at * 60_000 }, seed)
    const put = (from: number, ...ats: readonly number[]) =>
      changeOf(from, from + 1, {
        ...{ windows: ats.map((at) => minute(at)), totals: [sampleTotals(3, 1)] },
        watermarkMs: EXAMPLE_MS,
      })
    const keys = async (): Promise<string[]> => {
      const found = await server.send('KEYS', '*')
      return Array.isArray(found) ? found.map(String).toSorted() : []
    }

    test('stand under the documented key, as the documented JSON, for their time to live', async () => {
      const store = await fresh({ ttlMs: 3_600_000 })
      await store.apply(put(-1, 0), signal())
      const text = String(await server.send('GET', 'region:3:window:1755470640'))
      expect(text).toStartWith(
        '{"regionId":3,"windowStart":1755470640.000000000,"windowEnd":1755470700.000000000,' +
          '"tripCount":1,"avgFare":99.42,"totalDistance":26.9,"avgDuration":3836.0,' +
          '"p50Duration":3836.0,"p95Duration":3900.0,"totalFare":99.42,',
      )
      const ttlMs = Number(await server.send('PTTL', 'region:3:window:1755470640'))
      expect(ttlMs).toBeGreaterThan(3_500_000)
      expect(ttlMs).toBeLessThanOrEqual(3_600_000)
      expect(await keys()).toEqual([
        'region:3:window:1755470640',
        'windows:fence:0',
        'windows:index:1m:3',
        'windows:totals:0',
        'windows:watermarks',
      ])
      const indexS = Number(await server.send('TTL', 'windows:index:1m:3'))
      expect(indexS).toBeGreaterThan(3_600)
    })

    test("are found by StreamPulse's scan for one minute, and no other size with them", async () => {
      const store = await fresh()
      const hourMs = EXAMPLE_MS - 44 * 60_000
      const windows = WINDOW_SIZES_S.map((sizeS) => sampleWindow({ startMs: hourMs, sizeS }))
      const change = { windows, totals: [sampleTotals(3, 1)], watermarkMs: EXAMPLE_MS }
      await store.apply(changeOf(-1, 0, change), signal())
      expect(await server.send('KEYS', 'region:3:window:*')).toEqual(['region:3:window:1755468000'])
      for (const sizeS of WINDOW_SIZES_S) {
        expect(await store.latest(3, sizeS)).toMatchObject({ sizeS, startMs: hourMs })
      }
      await store.clear(0, signal())
      expect(await keys()).toEqual([])
    })

    test('whose keys are gone are passed over, and trimmed from the index by the next write', async () => {
      const store = await fresh()
      await store.apply(put(-1, 0, 1, 2, 3, 4), signal())
      for (const at of [0, 1, 3, 4]) {
        await server.send('DEL', `region:3:window:${1_755_470_640 + at * 60}`)
      }
      expect(await store.latest(3, 60)).toEqual(minute(2))
      expect(await store.latestOfAll(60)).toEqual([minute(2)])
      expect(await store.atStart(60, EXAMPLE_MS)).toEqual([])
      const all = { regionId: 3, sizeS: 60, fromMs: 0, toMs: Infinity, limit: 1 } as const
      expect(await store.range(all)).toEqual([minute(2)])
      await store.apply(put(0, 9), signal())
      expect(await server.send('ZCARD', 'windows:index:1m:3')).toBe(4)
    })

    test('that are written late get what is left of their time to live, or are not written', async () => {
      const store = await fresh({ ttlMs: 600_000 })
      const nowMs = systemClock.nowMs()
      const windows = [
        { window: minute(0), writtenMs: nowMs - 500_000 },
        { window: minute(1), writtenMs: nowMs - 600_001 },
        { window: minute(2), writtenMs: nowMs + 900_000 },
      ]
      const { windows: _, nowMs: __, ...rest } = put(-1)
      expect(await store.put({ ...rest, windows }, signal())).toBe(true)
      const left = (at: number): Promise<number> =>
        server.send('PTTL', `region:3:window:${1_755_470_640 + at * 60}`).then(Number)
      expect(await left(0)).toBeLessThanOrEqual(100_000)
      expect(await left(0)).toBeGreaterThan(10_000)
      expect(await left(1)).toBe(-2)
      expect(await left(2)).toBeLessThanOrEqual(600_000)
    })

    test('of another owner are told from ours, cannot be written over, and can be cleared', async () => {
      const theirs = await fresh()
      theirs.own('them')
      await theirs.apply(put(-1, 0, 1), signal())
      const ours = open()
      stores.push(ours)
      ours.own('us')
      expect(await ours.fence(0, signal())).toBe(FOREIGN)
      expect(await ours.apply(put(0, 2), signal())).toBe(false)
      expect(await ours.apply(put(-1, 2), signal())).toBe(false)
      await ours.apply({ ...put(-1), partition: 1 }, signal())
      await ours.clear(0, signal())
      expect(await keys()).toEqual(['windows:fence:1', 'windows:totals:1', 'windows:watermarks'])
      expect(await ours.fence(0, signal())).toBe(-1)
    })

    test('several scripts move the fence with the last one only', async () => {
      const store = await fresh({ windowsPerScript: 2 })
      await store.apply(put(-1, 0), signal())
      await server.send('SET', 'windows:index:1h:9', 'no index')
      const change = put(0, 1, 2, 3, 4)
      const hour = sampleWindow({ regionId: 9, sizeS: 3_600, startMs: 0 })
      const broken = { ...change, windows: [...change.windows, hour] }
      expect(await rejection(store.apply(broken, signal()))).toMatchObject({ retriable: false })
      expect(await store.latest(3, 60)).toEqual(minute(4))
      expect(await store.fence(0, signal())).toBe(0)
      await server.send('DEL', 'windows:index:1h:9')
      expect(await store.apply(broken, signal())).toBe(true)
      expect(await store.latest(9, 3_600)).toEqual(hour)
      expect(await store.fence(0, signal())).toBe(1)
    })

    test('are written again after a restart that forgot the scripts and cut the connection', async () => {
      const store = await fresh()
      await store.apply(put(-1, 0), signal())
      await server.send('SCRIPT', 'FLUSH')
      expect(await store.apply(put(0, 1), signal())).toBe(true)
      expect(await store.latest(3, 60)).toEqual(minute(1))
      // Written to the file by the kernel's cache: a kill loses none of it, a power cut may.
      await server.kill()
      const error = await rejection(store.fence(0, signal()))
      expect(error).toMatchObject({ name: 'SinkError', retriable: true })
      await server.start()
      expect(await store.fence(0, signal())).toBe(1)
      expect(await store.apply(put(1, 2), signal())).toBe(true)
      expect(await store.latest(3, 60)).toEqual(minute(2))
    })

    test('a connection that was cut while idle costs no command', async () => {
      const store = await fresh()
      await store.apply(put(-1, 0), signal())
      await server.kill()
      await server.start()
      expect(await store.latest(3, 60)).toEqual(minute(0))
    })

    test('a server that answers nothing is an error that may pass, and nothing is written twice', async () => {
      const clock = new VirtualClock(systemClock.nowMs())
      const store = await fresh({ clock, commandMsMax: 10_000 })
      await store.apply(put(-1, 0), signal())
      server.pause()
      try {
        const calls = [store.apply(put(0, 1), signal()), store.latest(3, 60)].map(rejection)
        const errors = await giveUp(clock, Promise.all(calls))
        for (const error of errors) expect(error).toMatchObject({ retriable: true })
        // Of two that wait, the first to give up closes the connection of both.
        expect(errors.map(String).join()).toContain('no answer within 10000 ms')
        // So does connecting.
        const anew = open({ clock, commandMsMax: 10_000 })
        stores.push(anew)
        const refused = await giveUp(clock, rejection(anew.latest(3, 60)))
        expect(refused).toMatchObject({ retriable: true })
      } finally {
        server.resume()
      }
      // What was on its way may have arrived by now, or not: the fence tells.
      const patient = open()
      stores.push(patient)
      const stands = await patient.fence(0, signal())
      expect(await patient.apply(put(0, 1), signal())).toBe(stands === 0)
      expect(await patient.fence(0, signal())).toBe(1)
      expect(await store.latest(3, 60)).toEqual(minute(1))
    })

    test('a write that is aborted ends at once, though nothing is answered', async () => {
      const store = await fresh({ commandMsMax: 600_000 })
      await store.apply(put(-1, 0), signal())
      server.pause()
      try {
        const controller = new AbortController()
        const applied = store.apply(put(0, 1), controller.signal)
        controller.abort()
        expect(await rejection(applied)).toMatchObject({ retriable: true })
      } finally {
        server.resume()
      }
    })

    test('a server that refuses needs a person: a wrong kind of key, a wrong address', async () => {
      const store = await fresh()
      await server.send('SET', 'windows:watermarks', 'text')
      expect(await rejection(store.watermarkMs())).toMatchObject({ retriable: false })
      await server.send('FLUSHALL')
      const wrong = open({ url: 'http://127.0.0.1:1' })
      expect(await rejection(wrong.latest(3, 60))).toMatchObject({ retriable: false })
      const nobody = open({ url: 'redis://127.0.0.1:1' })
      expect(await rejection(nobody.latest(3, 60))).toMatchObject({ retriable: true })
    })

    test('a password is sent, and its refusal needs a person', async () => {
      const guarded = new RedisServer({ tcp: true })
      try {
        await guarded.start()
        await guarded.send('CONFIG', 'SET', 'requirepass', 'secret')
        const at = `127.0.0.1:${guarded.port}`
        const locked = [open({ url: guarded.url }), open({ url: `redis://:wrong@${at}` })]
        const unlocked = open({ url: `redis://:secret@${at}/1` })
        stores.push(...locked, unlocked)
        expect(await unlocked.latest(3, 60)).toBeNull()
        for (const store of locked) {
          expect(await rejection(store.latest(3, 60))).toMatchObject({ retriable: false })
        }
      } finally {
        await guarded.dispose()
      }
    })
  })
})
