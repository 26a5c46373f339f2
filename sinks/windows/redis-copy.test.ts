import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test'
import { cpSync, existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'

import { type Clock, systemClock, VirtualClock } from '../../actors/kernel/clock.ts'
import { silentLog } from '../../actors/kernel/telemetry.ts'
import { batchOf, rejection, signal } from '../conformance-bench.ts'
import { describeSink } from '../conformance.ts'
import { TestMarks } from '../metrics/testing.ts'
import { type CopyStore, WindowsCopy } from './copy.ts'
import { windowDocument } from './document.ts'
import { MemoryWindowStore } from './memory-store.ts'
import { REDIS_SERVER, RedisServer } from './redis-server.ts'
import { RedisWindowStore, type WindowsPut } from './redis-store.ts'
import { WindowsSink } from './sink.ts'
import { type CopyFault, giveUp, sampleFacts } from './testing.ts'

// That its absence fails in CI is said in redis-store.test.ts.
const present = existsSync(REDIS_SERVER)
const ALL = { sizeS: 60, fromMs: -Infinity, toMs: Infinity, limit: 10_000 } as const

/** Real Redis, with steps that stop as a killed process would. */
class FaultyCopy implements CopyStore {
  fault: CopyFault = null
  readonly #store: RedisWindowStore

  constructor(store: RedisWindowStore) {
    this.#store = store
  }

  own(...whose: Parameters<CopyStore['own']>): void {
    this.#store.own(...whose)
  }

  fence(partition: number, within: AbortSignal): Promise<number> {
    return this.#store.fence(partition, within)
  }

  clear(partition: number, within: AbortSignal): Promise<void> {
    return this.#store.clear(partition, within)
  }

  async put(put: WindowsPut, within: AbortSignal): Promise<boolean> {
    const { fault } = this
    this.fault = null
    if (fault === 'before') throw new Error('killed before Redis')
    const taken = await this.#store.put(put, within)
    if (fault === 'after') throw new Error('killed after Redis')
    return taken
  }
}

describe.skipIf(!present)('windows through Redis', () => {
  const server = new RedisServer()
  beforeAll(() => server.start())
  afterAll(() => server.dispose())
  const redis: RedisWindowStore[] = []
  afterEach(async () => {
    for (const store of redis.splice(0)) await store.close()
  })

  const openRedis = (clock: Clock = systemClock): RedisWindowStore => {
    const store = new RedisWindowStore({ url: server.url, clock, commandMsMax: 10_000 })
    redis.push(store)
    return store
  }

  /** A process: all that it has but the marks goes with it. Its looks come when its clock is told. */
  const lifeOver = (marks: TestMarks, redisClock?: Clock, epoch?: number) => {
    const clock = new VirtualClock(systemClock.nowMs())
    const ledger = new MemoryWindowStore(marks, { clock, slots: 5 })
    const store = new FaultyCopy(openRedis(redisClock))
    const claim = epoch === undefined ? {} : { claim: { owner: 'group/topic', epoch } }
    const copy = new WindowsCopy({ ledger, store, clock, log: silentLog, ...claim })
    const sink = new WindowsSink({ store: ledger, copy, clock })
    const write = (first: number, last: number): Promise<void> =>
      sink.write(batchOf(first, last, sampleFacts(first, last, 1)), signal())
    return { clock, ledger, store, copy, sink, write }
  }

  const stored = async (): Promise<string[]> => {
    const reader = openRedis()
    const regions = Array.from({ length: 100 }, (_, at) => at + 1)
    const found = regions.map((regionId) => reader.range({ ...ALL, regionId }))
    const windows = (await Promise.all(found)).flat()
    return windows.map((window) => windowDocument(window, 0)).toSorted()
  }
  const upTo = (last: number): string[] =>
    sampleFacts(0, last, 1)
      .flatMap((fact) => (fact.kind === 'windows' ? fact.windows : []))
      .map((window) => windowDocument(window, 0))
      .toSorted()

  describeSink(
    'windows in Redis',
    async () => {
      await server.send('FLUSHALL')
      const marks = new TestMarks()
      let life = lifeOver(marks)
      return {
        sink: life.sink,
        reopen: async () => {
          life = lifeOver(marks)
          return life.sink
        },
        readBack: async () => {
          await insist(() => life.copy.settle(signal(), true))
          return stored()
        },
        rowsFor: sampleFacts,
        fingerprints: (fact) =>
          fact.kind === 'windows' ? fact.windows.map((window) => windowDocument(window, 0)) : [],
        crashAt: (point) => {
          const fault = point.startsWith('before') ? 'before' : 'after'
          if (point.endsWith('the mark')) marks.faults.push(fault)
          else life.store.fault = fault
        },
        cleanup: async () => {},
      }
    },
    { crashPoints: ['before the mark', 'after the mark', 'before Redis', 'after Redis'] },
  )

  /** As a sink actor does: again, until it is written. */
  const insist = async (write: () => Promise<void>): Promise<void> => {
    for (let tries = 0; ; tries++) {
      const error = await rejection(write())
      if (error === null) return
      expect(error).toMatchObject({ retriable: true })
      expect(tries).toBeLessThan(50)
    }
  }

  describe('a Redis that loses', () => {
    const killAnd = async (what: () => void): Promise<void> => {
      await server.kill()
      what()
      await server.start()
    }
    const started = async () => {
      await server.send('FLUSHALL')
      const marks = new TestMarks()
      const life = lifeOver(marks)
      await life.sink.open(0, signal())
      await life.write(0, 299)
      return { ...life, marks }
    }

    test('everything is right again after the next batch', async () => {
      const { write, sink } = await started()
      await killAnd(() => server.forget())
      // The connection is cut with it: what was sent on it has an unknown outcome, and goes again.
      await insist(() => write(300, 399))
      expect(await stored()).toEqual(upTo(399))
      await sink.close()
    })

    test('its last second is right again after the next batch', async () => {
      const { write, sink } = await started()
      const [kept, live] = [join(server.folder, 'kept'), join(server.folder, 'appendonlydir')]
      cpSync(live, kept, { recursive: true })
      await write(300, 349)
      await write(350, 399)
      await killAnd(() => {
        server.forget()
        cpSync(kept, live, { recursive: true })
        rmSync(kept, { recursive: true })
      })
      expect(await stored()).toEqual(upTo(299))
      await insist(() => write(400, 420))
      expect(await stored()).toEqual(upTo(420))
      await sink.close()
    })

    test('everything is right again after the next look, though nothing comes', async () => {
      const { clock, copy, sink } = await started()
      await server.send('FLUSHALL')
      expect(await stored()).toEqual([])
      await clock.advanceMs(1_000)
      // Behind the look; by itself it asks nothing.
      await copy.settle(signal())
      expect(await stored()).toEqual(upTo(299))
      await sink.close()
    })

    test('everything while we are killed too is right again when we are back', async () => {
      const { marks } = await started()
      await killAnd(() => server.forget())
      const life = lifeOver(marks)
      expect(await life.sink.open(0, signal())).toBe(299)
      expect(await stored()).toEqual(upTo(299))
      await life.sink.close()
    })

    test('its answers holds nothing up, is said, and everything is there when it is back', async () => {
      await server.send('FLUSHALL')
      const redisClock = new VirtualClock(systemClock.nowMs())
      const life = lifeOver(new TestMarks(), redisClock)
      await life.sink.open(0, signal())
      await life.write(0, 99)
      server.pause()
      try {
        await giveUp(redisClock, life.write(100, 199))
        expect(life.sink.trouble).toContain('no answer within 10000 ms')
        // From now on nobody waits for it.
        await life.write(200, 249)
      } finally {
        server.resume()
      }
      await insist(() => life.copy.settle(signal()))
      expect(life.sink.trouble).toBeNull()
      expect(await stored()).toEqual(upTo(249))
      await life.sink.close()
    })

    test('its place at the start keeps no sink from opening', async () => {
      const { marks, sink } = await started()
      await sink.close()
      await server.kill()
      server.forget()
      const life = lifeOver(marks)
      expect(await life.sink.open(0, signal())).toBe(299)
      expect(life.sink.trouble).toContain('redis')
      await server.start()
      await life.clock.advanceMs(1_000)
      await life.copy.settle(signal())
      expect(life.sink.trouble).toBeNull()
      expect(await stored()).toEqual(upTo(299))
      await life.sink.close()
    })
  })

  describe('a partition that moves', () => {
    const moved = (marks: TestMarks): TestMarks => {
      const copy = new TestMarks()
      for (const [name, value] of marks.stored) copy.stored.set(name, value)
      return copy
    }
    const owned = async (marks: TestMarks, epoch: number) => {
      const life = lifeOver(marks, undefined, epoch)
      return { ...life, marks, fence: await life.sink.open(0, signal()) }
    }

    test('is taken over where it stands, and the claim before is refused from then on', async () => {
      await server.send('FLUSHALL')
      const zombie = await owned(new TestMarks(), 1)
      await zombie.write(0, 299)
      const [kept, over] = [moved(zombie.marks), moved(zombie.marks)]
      const owner = await owned(over, 2)
      expect(owner.fence).toBe(299)
      expect(await server.send('GET', 'windows:fence:0')).toBe('group/topic:2/299')
      expect(await rejection(zombie.write(300, 320))).toMatchObject({ name: 'SinkFenced' })
      await owner.write(300, 349)
      expect(await rejection(owned(kept, 1))).toMatchObject({ name: 'SinkFenced' })
      expect(await stored()).toEqual(upTo(349))
      await owner.sink.close()
      await zombie.sink.close()
    })

    test('to one that restored less than Redis has ends with everything once', async () => {
      await server.send('FLUSHALL')
      const before = await owned(new TestMarks(), 1)
      await before.write(0, 199)
      const older = moved(before.marks)
      await before.write(200, 299)
      const owner = await owned(older, 2)
      expect(owner.fence).toBe(199)
      await owner.write(200, 349)
      expect(await stored()).toEqual(upTo(349))
      await owner.sink.close()
      await before.sink.close()
    })

    test('while Redis knows of no claim any more ends with what the later one has', async () => {
      await server.send('FLUSHALL')
      const zombie = await owned(new TestMarks(), 1)
      await zombie.write(0, 99)
      const owner = await owned(moved(zombie.marks), 2)
      await owner.write(100, 199)
      await server.send('FLUSHALL')
      await insist(() => zombie.copy.settle(signal(), true))
      await owner.copy.settle(signal(), true)
      expect(await rejection(zombie.copy.settle(signal(), true))).toMatchObject({
        name: 'SinkFenced',
      })
      expect(await stored()).toEqual(upTo(199))
      await owner.sink.close()
      await zombie.sink.close()
    })
  })
})
