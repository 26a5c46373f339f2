import { afterAll, describe, expect, test } from 'bun:test'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { seededRandom, systemClock } from './clock.ts'
import { OrreryError } from './errors.ts'
import { MemorySnapshotObjects } from './memory-snapshot-objects.ts'
import { planRecovery } from './recover.ts'
import { HEAD, parseHead } from './shared-head.ts'
import { openSharedStates, type SharedStatesOptions } from './shared-states.ts'
import type { SharedStateStore } from './snapshots.ts'
import { describeStateStore, nameOf, stored } from './state-conformance.ts'
import { silentLog } from './telemetry.ts'

const root = await mkdtemp(join(tmpdir(), 'orrery-shared-'))
afterAll(() => rm(root, { recursive: true }))

let files = 0
const open = (
  objects: MemorySnapshotObjects,
  more: Partial<SharedStatesOptions> = {},
): Promise<SharedStateStore> =>
  openSharedStates({
    objects,
    path: join(root, `${files++}.db`),
    log: silentLog,
    clock: systemClock,
    random: seededRandom(files),
    bounds: { triesMax: 4, pauseMs: 1 },
    ...more,
  })

/** Not `expect().rejects`: it waits without letting a worker's message in. */
const rejectionOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => null,
    (thrown: unknown) => thrown,
  )

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (value: Uint8Array | null): string | null => value && new TextDecoder().decode(value)

async function headOf(objects: MemorySnapshotObjects) {
  const object = await objects.get(HEAD)
  if (!object) throw new Error('there is no head')
  return parseHead(object.bytes)
}

/** Closes the store and gives what the next owner finds. */
async function next(objects: MemorySnapshotObjects, store: SharedStateStore) {
  await store.close()
  return open(objects)
}

describeStateStore('shared state store', async () => {
  const objects = new MemorySnapshotObjects()
  return {
    open: () => open(objects),
    reopen: async (store) => {
      // What is at or below the bound of a snapshot can no longer be rewound: the suite's offsets end here.
      await (store as SharedStateStore).publish(2 ** 52)
      await store.close()
      return open(objects)
    },
    dispose: async () => {},
  }
})

test('an empty folder is claimed as an empty store of epoch 1', async () => {
  const store = await open(new MemorySnapshotObjects())
  expect(store.epoch).toBe(1)
  expect(store.count).toBe(0)
  expect(store.loadMark('checkpoint')).toBeNull()
  await store.close()
})

test('the next owner finds the states and marks of the last snapshot, under the next epoch', async () => {
  const objects = new MemorySnapshotObjects()
  const store = await open(objects)
  await store.save([
    stored('a', 5, { version: 3, live: true, timerMs: 12.5 }),
    stored('b', 6),
    stored('b', 9),
    stored('ahead', 12),
  ])
  await store.saveMark('metrics', bytes('m'))
  await store.saveMark('checkpoint', bytes('7 note'))
  await store.publish(9)
  await store.save([stored('c', 8), stored('a', 9)])
  await store.saveMark('metrics', bytes('later'))
  const after = await next(objects, store)
  expect(after.epoch).toBe(2)
  expect(after.load('a')).toMatchObject({ offset: 5, version: 3, live: true, timerMs: 12.5 })
  expect(nameOf(after.load('b'))).toBe('b@9')
  expect(after.load('ahead')).toBeNull()
  expect(after.load('c')).toBeNull()
  expect(after.count).toBe(2)
  expect(text(after.loadMark('metrics'))).toBe('m')
  expect(await planRecovery(after, { received: 20, derived: 20 })).toEqual({
    replayFrom: 8,
    checkpoint: 7,
  })
  await after.close()
})

test('a state that was ahead of one snapshot is in the next', async () => {
  const objects = new MemorySnapshotObjects()
  const store = await open(objects)
  await store.save([stored('a', 5)])
  await store.publish(6)
  await store.save([stored('a', 10), stored('b', 11)])
  await store.publish(7)
  await store.publish(11)
  const after = await next(objects, store)
  expect(nameOf(after.load('a'))).toBe('a@10')
  expect(nameOf(after.load('b'))).toBe('b@11')
  await after.close()
})

test('a state that is ahead of a snapshot alone is in the next', async () => {
  const objects = new MemorySnapshotObjects()
  const store = await open(objects)
  await store.save([stored('a', 5), stored('a', 10)])
  await store.publish(7)
  await store.publish(11)
  const after = await next(objects, store)
  expect(nameOf(after.load('a'))).toBe('a@10')
  await after.close()
})

test('a snapshot with nothing new has what the one before had, over many owners', async () => {
  const objects = new MemorySnapshotObjects()
  let store = await open(objects)
  await store.save(Array.from({ length: 10 }, (_, n) => stored(`k${n}`, n)))
  await store.publish(10)
  await store.save([stored('k3', 12)])
  await store.publish(12)
  expect((await headOf(objects)).segments).toHaveLength(2)
  for (let owner = 0; owner < 3; owner++) {
    store = await next(objects, store)
    await store.publish(12)
    expect(store.count).toBe(10)
    expect(nameOf(store.load('k3'))).toBe('k3@12')
  }
  await store.close()
})

test('a save that was not awaited before a snapshot is in it', async () => {
  const objects = new MemorySnapshotObjects()
  const store = await open(objects)
  await store.save([stored('a', 5)])
  await store.publish(5)
  const saving = store.save([stored('b', 4)])
  await store.publish(5)
  await saving
  const after = await next(objects, store)
  expect(nameOf(after.load('b'))).toBe('b@4')
  await after.close()
})

test('a floor that rises and marks that come while a snapshot begins change nothing in it', async () => {
  const objects = new MemorySnapshotObjects()
  const store = await open(objects)
  await store.save([stored('a', 10)])
  await store.saveMark('metrics', bytes('before'))
  const publishing = store.publish(15)
  store.setFloor(25)
  const saving = [store.save([stored('a', 20)]), store.saveMark('metrics', bytes('after'))]
  await Promise.all([publishing, ...saving])
  expect(text(store.loadMark('metrics'))).toBe('after')
  const after = await next(objects, store)
  expect(nameOf(after.load('a'))).toBe('a@10')
  expect(text(after.loadMark('metrics'))).toBe('before')
  await after.close()
})

test('a sink that comes back with less than a snapshot needs stops the recovery', async () => {
  const objects = new MemorySnapshotObjects()
  const store = await open(objects)
  await store.save([stored('a', 5), stored('a', 9)])
  await store.publish(9)
  const after = await next(objects, store)
  const thrown = await rejectionOf(planRecovery(after, { received: 6, derived: 6 }))
  expect(thrown).toMatchObject({ code: 'store_behind' })
  await after.close()
})

test('a floor or a checkpoint above the bound is a bound: both were acknowledged', async () => {
  const objects = new MemorySnapshotObjects()
  const store = await open(objects)
  await store.save([stored('a', 5), stored('b', 6)])
  store.setFloor(8)
  await store.save([stored('a', 7)])
  await store.saveMark('checkpoint', bytes('10'))
  await store.save([stored('b', 9)])
  await store.publish(5)
  const after = await next(objects, store)
  expect(nameOf(after.load('a'))).toBe('a@7')
  expect(nameOf(after.load('b'))).toBe('b@9')
  await after.close()
})

describe('claims', () => {
  test('two that claim at once get different epochs, and the earlier one publishes no more', async () => {
    const objects = new MemorySnapshotObjects()
    const stores = await Promise.all([open(objects), open(objects), open(objects)])
    const epochs = stores.map(({ epoch }) => epoch)
    expect(epochs.toSorted()).toEqual([1, 2, 3])
    for (const store of stores) {
      await store.save([stored('a', store.epoch)])
      const thrown = await rejectionOf(store.publish(9))
      if (store.epoch === 3) expect(thrown).toBeNull()
      else expect(thrown).toMatchObject({ code: 'fenced', retriable: false })
      await store.close()
    }
    const after = await open(objects)
    expect(nameOf(after.load('a'))).toBe('a@3')
    await after.close()
  })

  test('a claim is not made once the partition is given to somebody else', async () => {
    const objects = new MemorySnapshotObjects()
    const owner = await open(objects)
    const ended = new AbortController()
    const reason = new OrreryError('partition_ended', 'not ours any more')
    objects.around = async (verb, _name, act) => {
      // Its answer was long on its way.
      if (verb === 'get') ended.abort(reason)
      return act()
    }
    expect(await rejectionOf(open(objects, { signal: ended.signal }))).toBe(reason)
    expect((await headOf(objects)).epoch).toBe(owner.epoch)
    await owner.publish(1)
    await owner.close()
  })

  test('a zombie whose snapshot was overtaken changes nothing', async () => {
    const objects = new MemorySnapshotObjects()
    const zombie = await open(objects)
    await zombie.save([stored('a', 1)])
    await zombie.publish(1)
    await zombie.save([stored('a', 2)])
    const owner = await open(objects)
    expect(await rejectionOf(zombie.publish(2))).toMatchObject({ code: 'fenced' })
    const uploaded = objects.objects.size
    expect(await rejectionOf(zombie.publish(2))).toMatchObject({ code: 'fenced' })
    expect(objects.objects.size).toBeLessThanOrEqual(uploaded)
    await owner.save([stored('b', 2)])
    await owner.publish(2)
    await zombie.close()
    const after = await next(objects, owner)
    expect(nameOf(after.load('a'))).toBe('a@1')
    expect(nameOf(after.load('b'))).toBe('b@2')
    await after.close()
  })
})

describe('answers that are lost', () => {
  type Outcome = 'landed' | 'not landed'
  const lost = new OrreryError('failed', 'no answer', { retriable: true })
  /** Loses the answers to the next swaps: done, or not done. */
  const lose = (objects: MemorySnapshotObjects, outcomes: readonly Outcome[]) => {
    const left = [...outcomes]
    objects.around = async (verb, _name, act) => {
      const outcome = verb === 'swap' ? left.shift() : undefined
      if (outcome === 'landed') act()
      if (outcome) throw lost
      return act()
    }
  }

  const claims: Outcome[][] = [
    ['landed'],
    ['not landed'],
    ['not landed', 'landed'],
    ['landed', 'landed'],
  ]
  test.each(claims.map((outcomes) => ({ outcomes })))(
    'of a claim: $outcomes',
    async ({ outcomes }) => {
      const objects = new MemorySnapshotObjects()
      lose(objects, outcomes)
      const store = await open(objects)
      expect(store.epoch).toBe(1)
      await store.save([stored('a', 1)])
      await store.publish(1)
      const after = await next(objects, store)
      expect(after.epoch).toBe(2)
      expect(nameOf(after.load('a'))).toBe('a@1')
      await after.close()
    },
  )

  const snapshots: Outcome[][] = [
    ['landed'],
    ['not landed'],
    ['not landed', 'not landed', 'landed'],
  ]
  test.each(snapshots.map((outcomes) => ({ outcomes })))(
    'of a snapshot: $outcomes',
    async ({ outcomes }) => {
      const objects = new MemorySnapshotObjects()
      const store = await open(objects)
      await store.save([stored('a', 1)])
      await store.publish(1)
      lose(objects, outcomes)
      await store.save([stored('a', 2), stored('b', 2)])
      await store.publish(2)
      await store.save([stored('c', 3)])
      await store.publish(3)
      const after = await next(objects, store)
      expect(['a', 'b', 'c'].map((key) => nameOf(after.load(key)))).toEqual(['a@2', 'b@2', 'c@3'])
      await after.close()
    },
  )

  test('a snapshot that was given up and lands late does no harm', async () => {
    const objects = new MemorySnapshotObjects()
    const store = await open(objects)
    await store.save([stored('a', 1)])
    const late: (() => unknown)[] = []
    objects.around = async (verb, _name, act) => {
      if (verb !== 'swap') return act()
      late.push(act)
      throw lost
    }
    expect(await rejectionOf(store.publish(1))).toBe(lost)
    objects.around = async (_verb, _name, act) => act()
    late.at(0)?.()
    await store.save([stored('b', 2)])
    await store.publish(2)
    const after = await next(objects, store)
    expect(['a', 'b'].map((key) => nameOf(after.load(key)))).toEqual(['a@1', 'b@2'])
    await after.close()
  })

  test('whatever call fails, the next snapshot brings everything', async () => {
    for (const verb of ['put', 'swap', 'remove', 'get']) {
      const objects = new MemorySnapshotObjects()
      const store = await open(objects)
      await store.save([stored('a', 1), stored('b', 1)])
      await store.publish(1)
      await store.save([stored('a', 2), stored('c', 2)])
      objects.around = async (called, _name, act) => {
        if (called === verb || called === 'swap') throw lost
        return act()
      }
      expect(await rejectionOf(store.publish(2))).toBe(lost)
      objects.around = async (_verb, _name, act) => act()
      await store.publish(2)
      const after = await next(objects, store)
      expect(['a', 'b', 'c'].map((key) => nameOf(after.load(key)))).toEqual(['a@2', 'b@1', 'c@2'])
      await after.close()
      const head = await headOf(objects)
      const named = head.segments.flatMap(({ parts }) => parts.map(({ name }) => name))
      expect([...objects.objects.keys()].sort()).toEqual([...named, head.marks?.name ?? ''].sort())
    }
  })
})
