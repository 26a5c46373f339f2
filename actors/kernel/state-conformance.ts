import { afterEach, beforeEach, describe, expect, test } from 'bun:test'

import { seededRandom } from './clock.ts'
import type { StateStore, StoredState } from './state-store.ts'

/** What the suite needs of a store under test. */
export type StateStoreHarness = Readonly<{
  open(): Promise<StateStore>
  /** Opens what was durable when the process died. */
  reopen(store: StateStore): Promise<StateStore>
  dispose(): Promise<void>
}>

/** A state with defaults, for tests. */
export function stored(
  key: string,
  offset: number,
  given: Partial<Omit<StoredState, 'key' | 'offset'>> = {},
): StoredState {
  const state = new TextEncoder().encode(`${key}@${offset}`)
  return { key, offset, version: 1, state, timerMs: null, live: false, ...given }
}

/** A state in one word: its key and offset. */
export function nameOf(state: StoredState | null): string | null {
  return state && `${state.key}@${state.offset}`
}

const names = (states: Iterable<StoredState>): (string | null)[] => [...states].map(nameOf)

/** What every store of actor states must do. */
export function describeStateStore(name: string, make: () => Promise<StateStoreHarness>): void {
  describe(name, () => {
    let harness: StateStoreHarness
    let store: StateStore
    beforeEach(async () => {
      harness = await make()
      store = await harness.open()
    })
    afterEach(async () => {
      await store.close()
      await harness.dispose()
    })
    const reopen = async (): Promise<StateStore> => {
      store = await harness.reopen(store)
      return store
    }

    saving(() => store, reopen)
    versions(() => store, reopen)
    searching(() => store)
    agreeing(() => store)
  })
}

function saving(get: () => StateStore, reopen: () => Promise<StateStore>): void {
  test('a state comes back as it was saved, at once and after a restart', async () => {
    const states = [
      stored('session:Ολύμπια 🚚', 0, { state: new Uint8Array([0, 255, 128]), version: 7 }),
      stored('session:b', 2 ** 52, { timerMs: 1_790_000_000_123.5, live: true }),
      stored('session:empty', 3, { state: new Uint8Array(0) }),
      stored('session:large', 4, { state: new Uint8Array(5_000_000).fill(9) }),
    ]
    const saved = get().save(states)
    for (const next of [async () => get(), () => saved.then(get), reopen]) {
      const store = await next()
      for (const state of states) {
        const loaded = store.load(state.key)
        const { state: bytes, ...rest } = state
        expect(loaded).toMatchObject(rest)
        expect(Buffer.compare(loaded?.state ?? Buffer.alloc(1), bytes)).toBe(0)
      }
      expect(store.load('session:nobody')).toBeNull()
    }
    expect(get().count).toBe(4)
  })

  test('marks come back, the newest of a name', async () => {
    expect(get().loadMark('ledger')).toBeNull()
    await get().saveMark('ledger', new Uint8Array([1]))
    await get().saveMark('metrics', new Uint8Array([3]))
    await get().saveMark('ledger', new Uint8Array([2]))
    const store = await reopen()
    expect([...(store.loadMark('ledger') ?? [])]).toEqual([2])
    expect([...(store.loadMark('metrics') ?? [])]).toEqual([3])
  })

  test('many states in one save, and many saves at once, are all there', async () => {
    const large = Array.from({ length: 12_000 }, (_, n) => stored(`session:${n}`, n))
    const small = Array.from({ length: 300 }, (_, n) => get().save([stored(`single:${n}`, n)]))
    await Promise.all([get().save(large), ...small])
    const store = await reopen()
    expect(store.count).toBe(12_300)
    expect(nameOf(store.load('session:11999'))).toBe('session:11999@11999')
    expect(nameOf(store.load('single:299'))).toBe('single:299@299')
  })
}

function versions(get: () => StateStore, reopen: () => Promise<StateStore>): void {
  test('load gives the newest version, whatever the order of saves', async () => {
    await get().save([stored('a', 5), stored('a', 9)])
    await get().save([stored('a', 7)])
    expect(nameOf(get().load('a'))).toBe('a@9')
    expect(get().count).toBe(1)
  })

  test('the same version saved again is replaced', async () => {
    await get().save([stored('a', 5)])
    await get().save([stored('a', 5, { state: new Uint8Array([1]) })])
    expect([...(get().load('a')?.state ?? [])]).toEqual([1])
  })

  test('rewinding gives back the newest version at or before the offset', async () => {
    for (const offset of [10, 20, 30]) await get().save([stored('a', offset, { live: true })])
    await get().save([stored('b', 25), stored('c', 20)])
    await get().rewind(24)
    for (const next of [async () => get(), reopen]) {
      const store = await next()
      expect(nameOf(store.load('a'))).toBe('a@20')
      expect(store.load('b')).toBeNull()
      expect(nameOf(store.load('c'))).toBe('c@20')
      expect(names(store.live())).toEqual(['a@20'])
      expect(store.count).toBe(2)
    }
    await get().rewind(-1)
    expect(get().count).toBe(0)
  })

  test('below the floor only the newest version is needed, above it all are', async () => {
    for (const offset of [10, 20]) await get().save([stored('a', offset)])
    get().setFloor(25)
    for (const offset of [30, 40]) await get().save([stored('a', offset)])
    get().setFloor(15) // It only rises.
    await get().save([stored('a', 50)])
    await get().rewind(45)
    expect(nameOf(get().load('a'))).toBe('a@40')
    await get().rewind(25)
    expect(nameOf(get().load('a'))).toBe('a@20')
    await get().rewind(19)
    expect(get().load('a')).toBeNull()
  })
}

function searching(get: () => StateStore): void {
  test('live gives the actors whose newest version is on the map', async () => {
    const many = Array.from({ length: 1_203 }, (_, n) => stored(`m${n}`, n, { live: true }))
    await get().save([stored('gone', 1, { live: true }), stored('came', 1), ...many])
    await get().save([stored('gone', 2), stored('came', 2, { live: true })])
    const saving = get().save([stored('m7', 2_000), stored('new', 5, { live: true })])
    for (const wait of [Promise.resolve(), saving]) {
      await wait
      const live = new Set(names(get().live()))
      expect(live.size).toBe(1_204)
      expect(live.has('came@2')).toBe(true)
      expect(live.has('new@5')).toBe(true)
      expect(live.has('m7@7')).toBe(false)
    }
  })

  test('due gives the oldest timers first, of newest versions only', async () => {
    await get().save([
      stored('late', 1, { timerMs: 300 }),
      stored('early', 2, { timerMs: 100 }),
      stored('middle', 3, { timerMs: 200 }),
      stored('future', 4, { timerMs: 301 }),
      stored('moved', 5, { timerMs: 50 }),
      stored('none', 6),
    ])
    const saving = get().save([stored('moved', 7, { timerMs: 250 }), stored('early', 8)])
    for (const wait of [Promise.resolve(), saving]) {
      await wait
      expect(names(get().due(300, 10))).toEqual(['middle@3', 'moved@7', 'late@1'])
      expect(names(get().due(300, 2))).toEqual(['middle@3', 'moved@7'])
      expect(names(get().due(99, 10))).toEqual([])
    }
  })
}

/** Against the plain meaning of the port, in random order. */
function agreeing(get: () => StateStore): void {
  test('random saves, floors and rewinds end in what the port says', async () => {
    const random = seededRandom(11)
    const below = (bound: number): number => Math.floor(random() * bound)
    let all: StoredState[] = []
    let floor = -1
    for (let offset = 0; offset < 600; offset++) {
      const state = stored(`k${below(12)}`, offset, {
        live: random() < 0.5,
        timerMs: random() < 0.5 ? below(1_000) : null,
      })
      all.push(state)
      const saving = get().save([state])
      if (random() < 0.5) await saving
      if (random() < 0.1) {
        floor = Math.max(floor, offset - below(40))
        get().setFloor(floor)
      }
      if (random() < 0.05) {
        const target = floor + below(offset - floor)
        all = all.filter((other) => other.offset <= target)
        await get().rewind(target)
      }
      if (random() < 0.2) check(get(), all)
    }
    await get().rewind(600)
    check(get(), all)
    expect(get().count).toBe(new Set(all.map(({ key }) => key)).size)
  })
}

function check(store: StateStore, all: readonly StoredState[]): void {
  const newest = new Map(all.map((state) => [state.key, state]))
  for (let n = 0; n < 12; n++) {
    expect(nameOf(store.load(`k${n}`))).toBe(nameOf(newest.get(`k${n}`) ?? null))
  }
  const live = [...newest.values()].filter((state) => state.live)
  expect(names(store.live()).sort()).toEqual(names(live).sort())
  const due = [...newest.values()].filter(({ timerMs }) => timerMs !== null && timerMs <= 500)
  expect(names(store.due(500, 100)).sort()).toEqual(names(due).sort())
}
