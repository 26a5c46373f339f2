import { afterAll, expect, test } from 'bun:test'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import fc from 'fast-check'

import { seededRandom, systemClock } from './clock.ts'
import { OrreryError } from './errors.ts'
import { MemorySnapshotObjects } from './memory-snapshot-objects.ts'
import { HEAD, namesOf, parseHead, type SnapshotHead } from './shared-head.ts'
import { segmentsToMerge } from './shared-merge.ts'
import { openSharedStates } from './shared-states.ts'
import { stored } from './state-conformance.ts'
import type { StoredState } from './state-store.ts'
import { silentLog } from './telemetry.ts'

const root = await mkdtemp(join(tmpdir(), 'orrery-snapshots-'))
afterAll(() => rm(root, { recursive: true }))

let files = 0
const open = (objects: MemorySnapshotObjects, partBytes = 600) =>
  openSharedStates({
    objects,
    path: join(root, `${files++}.db`),
    log: silentLog,
    clock: systemClock,
    random: seededRandom(files),
    bounds: { triesMax: 2, pauseMs: 0, partBytes },
  })

async function headOf(objects: MemorySnapshotObjects): Promise<SnapshotHead> {
  const object = await objects.get(HEAD)
  return parseHead(object?.bytes ?? new Uint8Array(0))
}

/** Random bytes, so that they compress as badly as they may. */
function incompressible(random: () => number, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => Math.floor(random() * 256))
}

type Act =
  | Readonly<{ act: 'save'; states: readonly (readonly [key: number, offset: number])[] }>
  | Readonly<{ act: 'mark'; name: number; value: number }>
  | Readonly<{ act: 'publish'; bound: number; fault: Fault }>
  | Readonly<{ act: 'crash' }>

/** What becomes of a snapshot: the n-th call to the objects is not answered, done or not done. */
type Fault = Readonly<{ at: number; isDone: boolean }> | null

const KEYS = 8
const OFFSETS = 40

const acts = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        act: fc.constant('save' as const),
        states: fc.array(fc.tuple(fc.nat(KEYS - 1), fc.nat(OFFSETS)), { maxLength: 6 }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        act: fc.constant('mark' as const),
        name: fc.nat(2),
        value: fc.nat(255),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        act: fc.constant('publish' as const),
        bound: fc.nat(OFFSETS),
        fault: fc.option(fc.record({ at: fc.nat(6), isDone: fc.boolean() }), { freq: 2 }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ act: fc.constant('crash' as const) }) },
  ),
  { maxLength: 30 },
)

type Moment = Readonly<{
  through: number
  states: ReadonlyMap<string, StoredState>
  marks: ReadonlyMap<string, number>
}>

/** What the port says, kept in the plainest way. */
class Model {
  readonly #saved = new Map<string, StoredState>()
  readonly #marks = new Map<string, number>()
  through = -1

  constructor(from: Moment) {
    this.through = from.through
    for (const state of from.states.values()) this.save(state)
    for (const [name, value] of from.marks) this.#marks.set(name, value)
  }

  save(state: StoredState): void {
    this.#saved.set(`${state.key}@${state.offset}`, state)
  }

  mark(name: string, value: number): void {
    this.#marks.set(name, value)
  }

  at(bound: number): Moment {
    // Below an earlier bound only the newest is left.
    this.through = Math.max(this.through, bound)
    const states = new Map<string, StoredState>()
    for (const state of this.#saved.values()) {
      const other = states.get(state.key)
      if (state.offset <= this.through && (!other || other.offset <= state.offset)) {
        states.set(state.key, state)
      }
    }
    return { through: this.through, states, marks: new Map(this.#marks) }
  }
}

const lost = new OrreryError('failed', 'no answer', { retriable: true })

/** Lets the n-th call go unanswered, and every call after it: the line is cut. */
function cut(objects: MemorySnapshotObjects, fault: Fault): void {
  let calls = 0
  objects.around = async (_verb, _name, act) => {
    if (!fault || calls < fault.at) {
      calls++
      return act()
    }
    if (calls++ === fault.at && fault.isDone) act()
    throw lost
  }
}

async function matches(objects: MemorySnapshotObjects, moments: readonly Moment[]) {
  const store = await open(objects)
  const found = moments.findLast((moment) => {
    const isSame = Array.from({ length: KEYS }, (_, n) => `k${n}`).every((key) => {
      const state = store.load(key)
      const expected = moment.states.get(key)
      return (
        state?.offset === expected?.offset &&
        Buffer.compare(state?.state ?? Buffer.of(), expected?.state ?? Buffer.of()) === 0
      )
    })
    const marks = [0, 1, 2].every((name) => {
      return store.loadMark(`m${name}`)?.[0] === moment.marks.get(`m${name}`)
    })
    return isSame && marks && store.count === moment.states.size
  })
  return { store, found }
}

test('whatever is saved, published, cut off and crashed, a restore is the newest snapshot', async () => {
  let restores = 0
  const run = async (list: readonly Act[]): Promise<void> => {
    const objects = new MemorySnapshotObjects()
    let store = await open(objects)
    // The snapshot that stands, and those that may have landed since.
    let possible: Moment[] = [{ through: -1, states: new Map(), marks: new Map() }]
    let model = new Model(possible[0] ?? { through: -1, states: new Map(), marks: new Map() })
    let salt = 0
    for (const act of [...list, { act: 'crash' } as const]) {
      if (act.act === 'save') {
        const states = act.states.map(([key, offset]) => {
          const state = new TextEncoder().encode(`${offset} ${salt++} ${'x'.repeat(offset * 10)}`)
          return stored(`k${key}`, offset, { state })
        })
        // A version at or below a bound that was published is never saved again by an actor.
        const wanted = states.filter((state) => state.offset > model.through)
        await store.save(wanted)
        for (const state of wanted) model.save(state)
      } else if (act.act === 'mark') {
        await store.saveMark(`m${act.name}`, Uint8Array.of(act.value))
        model.mark(`m${act.name}`, act.value)
      } else if (act.act === 'publish') {
        const moment = model.at(act.bound)
        cut(objects, act.fault)
        const thrown = await store.publish(act.bound).catch((cause: unknown) => cause)
        cut(objects, null)
        possible = thrown === undefined ? [moment] : [...possible, moment]
        if (thrown !== undefined) expect(thrown).toBe(lost)
      } else {
        await store.close()
        const { store: after, found } = await matches(objects, possible)
        store = after
        expect(found).toBeDefined()
        if (!found) break
        restores++
        possible = [found]
        model = new Model(found)
        const named = namesOf(await headOf(objects))
        for (const name of named) expect(objects.objects.has(name)).toBe(true)
      }
    }
    await store.close()
  }
  await fc.assert(fc.asyncProperty(acts, run), { numRuns: 40, seed: 7 })
  expect(restores).toBeGreaterThan(40)
}, 120_000)

test('what is saved while a snapshot is made is in the next, in whatever state the first is', async () => {
  const objects = new MemorySnapshotObjects()
  const store = await open(objects)
  const saving: Promise<void>[] = []
  let offset = 0
  const more = () => {
    for (let n = 0; n < 20; n++) {
      saving.push(store.save([stored(`k${n % 7}`, offset++)]))
      saving.push(store.saveMark('newest', new TextEncoder().encode(String(offset))))
      if (n % 5 === 0) store.setFloor(offset - 3)
    }
  }
  more()
  for (let round = 0; round < 8; round++) {
    objects.around = async (_verb, _name, act) => {
      more()
      return act()
    }
    const publishing = store.publish(offset - 10)
    more()
    await publishing
  }
  objects.around = async (_verb, _name, act) => act()
  await Promise.all(saving)
  await store.publish(offset)
  await store.close()
  const after = await open(objects)
  for (let n = 0; n < 7; n++) {
    const key = `k${n}`
    const newest = Array.from({ length: offset }, (_, at) => at).findLast(
      (at) => (at % 20) % 7 === n,
    )
    expect(after.load(key)?.offset).toBe(newest ?? -1)
  }
  expect(new TextDecoder().decode(after.loadMark('newest') ?? Buffer.of())).toBe(String(offset))
  await after.close()
})

test('merging keeps everything, and the segments, their garbage and the writing are bounded', async () => {
  const objects = new MemorySnapshotObjects()
  const random = seededRandom(5)
  const store = await open(objects, 20_000)
  const expected = new Map<string, number>()
  let offset = 0
  let written = 0
  let published = 0
  objects.around = async (verb, _name, act) => {
    if (verb === 'put') written++
    return act()
  }
  for (let round = 0; round < 120; round++) {
    // Now new actors, now the same few again, now old ones.
    const count = Math.floor(random() * 60)
    const states = Array.from({ length: count }, () => {
      const key = round % 3 === 0 ? `hot${offset % 9}` : `k${Math.floor(random() * 4_000)}`
      expected.set(key, offset)
      return stored(key, offset++, { state: incompressible(random, 200) })
    })
    await store.save(states)
    await store.publish(offset)
    published += new Set(states.map(({ key }) => key)).size
    const { segments, marks } = await headOf(objects)
    const total = segments.reduce((sum, { states: some }) => sum + some, 0)
    expect(segments.length).toBeLessThanOrEqual(Math.log2(expected.size + 1) + 2)
    // Half of a segment may be garbage before it is merged, and what one publish changes on top.
    expect(total).toBeLessThanOrEqual(2 * expected.size + 60)
    const parts = segments.flatMap((segment) => segment.parts)
    expect(objects.objects.size).toBe(parts.length + (marks ? 1 : 0))
  }
  const rewritten = (await statesWritten(objects)) / expected.size
  expect(rewritten).toBeLessThan(3)
  expect(written).toBeLessThan(120 * 3 + published / 20)
  await store.close()
  const after = await open(objects)
  expect(after.count).toBe(expected.size)
  for (const [key, newest] of expected) expect(after.load(key)?.offset).toBe(newest)
  await after.close()
}, 60_000)

async function statesWritten(objects: MemorySnapshotObjects): Promise<number> {
  const { segments } = await headOf(objects)
  return segments.reduce((sum, { states }) => sum + states, 0)
}

test('a state is written again a bounded number of times, however the sizes fall', () => {
  const random = seededRandom(3)
  for (const spread of [1, 10, 1_000]) {
    let segments: { number: number; states: number; live: number }[] = []
    let total = 0
    let written = 0
    for (let number = 1; number <= 2_000; number++) {
      const changed = 1 + Math.floor(random() * spread)
      const merged = new Set(segmentsToMerge(changed, segments))
      const live = [...merged].reduce((sum, segment) => sum + segment.live, changed)
      segments = [...segments.filter((old) => !merged.has(old)), { number, states: live, live }]
      total += changed
      written += live
      expect(segments.length).toBeLessThanOrEqual(Math.log2(total) + 2)
    }
    expect(written / total).toBeLessThanOrEqual(Math.log2(total) + 1)
  }
})

test('an object that is torn, garbled, missing or of a later version stops the start, by name', async () => {
  const objects = new MemorySnapshotObjects()
  const store = await open(objects)
  const random = seededRandom(9)
  const states = Array.from({ length: 50 }, (_, n) => {
    return stored(`k${n}`, n, { state: incompressible(random, 100) })
  })
  await store.save(states)
  await store.saveMark('metrics', incompressible(random, 100))
  await store.publish(50)
  await store.close()
  const names = [...objects.objects.keys()]
  expect(names.length).toBeGreaterThan(1)
  const failure = async (): Promise<unknown> => open(objects).catch((cause: unknown) => cause)
  for (const name of names) {
    const whole = objects.objects.get(name) ?? Buffer.of()
    const flips = [0, 17, 40, whole.length - 1].map((at) =>
      whole.map((byte, index) => (index === at ? byte ^ 4 : byte)),
    )
    for (const bad of [...flips, whole.slice(0, -1), whole.slice(0, 16), new Uint8Array(0)]) {
      objects.objects.set(name, bad)
      const thrown = await failure()
      expect(thrown).toMatchObject({ code: 'snapshot_damaged', retriable: false })
      expect(String(thrown)).toContain(name)
    }
    objects.objects.delete(name)
    const thrown = await failure()
    expect(thrown).toMatchObject({ code: 'snapshot_missing', retriable: false })
    expect(String(thrown)).toContain(name)
    objects.objects.set(name, whole)
  }
  const whole = await open(objects)
  expect(whole.count).toBe(50)
  await whole.close()
  const { version } = (await objects.get(HEAD)) ?? { version: '' }
  const newer = await objects.swap(HEAD, Buffer.from('{"format":2}'), version)
  expect(await failure()).toMatchObject({ code: 'snapshot_newer' })
  await objects.swap(HEAD, Buffer.from('{"format":1'), newer)
  expect(await failure()).toMatchObject({ code: 'snapshot_damaged' })
})

test('what an owner left unused is removed by the next, and nothing else', async () => {
  const objects = new MemorySnapshotObjects()
  const store = await open(objects)
  await store.save([stored('a', 1)])
  await store.publish(1)
  await store.save([stored('a', 2)])
  cut(objects, { at: 2, isDone: false })
  expect(await store.publish(2).catch((cause: unknown) => cause)).toBe(lost)
  cut(objects, null)
  await store.close()
  const used = namesOf(await headOf(objects))
  expect(objects.objects.size).toBe(used.size + 2)
  await objects.put('notes.txt', new Uint8Array(1))
  const swept = Promise.withResolvers<void>()
  objects.around = async (verb, _name, act) => {
    const result = act()
    if (verb === 'remove') swept.resolve()
    return result
  }
  const after = await open(objects)
  await swept.promise
  expect(new Set(objects.objects.keys())).toEqual(new Set([...used, 'notes.txt']))
  await after.close()
})
