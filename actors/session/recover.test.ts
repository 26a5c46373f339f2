import { expect, test } from 'bun:test'

import fc from 'fast-check'

import { Checkpoint } from '../kernel/checkpoint.ts'
import { VirtualClock } from '../kernel/clock.ts'
import { Directory } from '../kernel/directory.ts'
import { MemoryJournal } from '../kernel/memory-journal.ts'
import { MemoryStateStore } from '../kernel/memory-state-store.ts'
import { Partition } from '../kernel/partition.ts'
import type { FactTarget } from '../kernel/partition.ts'
import { Sweep } from '../kernel/sweep.ts'
import { silentLog, Telemetry } from '../kernel/telemetry.ts'
import type { Fact } from '../model/fact.ts'
import type { Ping } from '../model/ping.ts'
import { naiveIsoUs } from '../model/time.ts'
import { sessionBehavior } from './behavior.ts'
import { Intake } from './intake.ts'
import { planRecovery, replay } from './recover.ts'

const nameOf = (fact: Fact): string => `${fact.offset}.${fact.part}`

/** A store that keeps facts by name; what is not flushed is lost in a crash, or half of it is there. */
class Store {
  readonly facts = new Map<string, Fact>()
  acknowledged = -1

  keep(fact: Fact): void {
    const known = this.facts.get(nameOf(fact))
    if (known) expect(fact).toEqual(known)
    this.facts.set(nameOf(fact), fact)
  }
}

class StoreTarget implements FactTarget {
  readonly full = false
  dead = false
  readonly pending: Fact[] = []
  readonly #store: Store
  readonly #kinds: readonly Fact['kind'][]
  #watermark: number
  #waiting: { offset: number; resolve: () => void }[] = []

  constructor(store: Store, kinds: readonly Fact['kind'][]) {
    this.#store = store
    this.#kinds = kinds
    this.#watermark = store.acknowledged
  }

  accept(fact: Fact): void {
    if (fact.offset > this.#store.acknowledged && this.#kinds.includes(fact.kind))
      this.pending.push(fact)
  }

  advance(offset: number): void {
    this.#watermark = Math.max(this.#watermark, offset)
  }

  onRoom(): void {}

  /** Writes up to the watermark; with `tear` the process dies before the offset is written. */
  flush(tear = false): void {
    const due = this.pending.filter((fact) => fact.offset <= this.#watermark)
    for (const fact of tear ? due.slice(0, due.length >> 1) : due) this.#store.keep(fact)
    if (tear) return
    this.pending.splice(
      0,
      Infinity,
      ...this.pending.filter((fact) => fact.offset > this.#watermark),
    )
    this.#store.acknowledged = this.#watermark
    for (const { offset, resolve } of this.#waiting) if (offset <= this.#watermark) resolve()
  }

  acknowledged(offset: number): Promise<void> {
    if (this.dead) return new Promise(() => {})
    if (offset <= this.#store.acknowledged) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.push({ offset, resolve }))
  }
}

type Durable = Readonly<{
  journal: MemoryJournal
  states: MemoryStateStore
  silver: Store
  bronze: Store
  clock: VirtualClock
}>

const durable = (): Durable => {
  const clock = new VirtualClock()
  const journal = new MemoryJournal({ partition: 0, clock })
  return {
    clock,
    journal,
    states: new MemoryStateStore(),
    silver: new Store(),
    bronze: new Store(),
  }
}

const DERIVED: readonly Fact['kind'][] = ['header', 'status', 'movement', 'alert', 'dead_letter']

/** One life of the process over what is durable. */
async function start({ journal, states, silver, bronze, clock }: Durable) {
  const behavior = sessionBehavior({ silentAfterMs: 600_000, overdueAfterMs: 300_000 })
  const directory = new Directory(behavior, states)
  const received = new StoreTarget(bronze, ['pings'])
  const derived = new StoreTarget(silver, DERIVED)
  const plan = await planRecovery(states, {
    received: bronze.acknowledged,
    derived: silver.acknowledged,
  })
  const ports = { behavior, directory, clock, log: silentLog, telemetry: new Telemetry() }
  const partition = new Partition(
    {
      ...ports,
      partition: 0,
      idOf: (ping: Ping) => ping.sessionId,
      received,
      derived,
      history: {
        load: async (requests) => {
          await new Promise<void>((resolve) => clock.after(3, resolve))
          return requests.map((request) => {
            const all = [...silver.facts.values()].filter(
              (fact) => fact.offset <= silver.acknowledged,
            )
            const fixes = [...all, ...derived.pending].filter(
              (fact) =>
                fact.kind === 'movement' &&
                fact.sessionId === request.sessionId &&
                fact.offset < request.beforeOffset,
            )
            return {
              fixes: fixes.filter((fact) => fact.kind === 'movement'),
              fromUs: -Infinity,
              toUs: Infinity,
            }
          })
        },
      },
      limits: { turnsPerSliceMax: 7, mailboxMax: 50, awakeMax: 3 },
    },
    plan.replayFrom - 1,
  )
  const intake = new Intake({
    journal,
    partition,
    clock,
    telemetry: ports.telemetry,
    limits: { backlogMax: 10_000, retryAfterMs: 100 },
  })
  const checkpoint = new Checkpoint({
    ...ports,
    store: states,
    handledThrough: () => partition.handledThrough,
    acknowledged: (offset) => derived.acknowledged(offset),
  })
  const sweep = new Sweep({
    ...ports,
    store: states,
    fire: () => false,
    madeRoom: () => partition.wake(),
    limits: { awakeMax: 3, idleMs: 1e9, cellsPerStepMax: 2, everyMs: 1_000 },
  })
  const replayed = replay({ journal, partition, clock, log: silentLog }, plan)
  await clock.advanceMs(5_000)
  return { partition, intake, checkpoint, sweep, received, derived, replayed: await replayed }
}

type Life = Awaited<ReturnType<typeof start>>

function send(life: Life, pings: readonly Ping[]): void {
  const lines = pings.map((ping) =>
    JSON.stringify({
      device_id: ping.deviceId,
      vehicle_id: ping.vehicleId,
      session_id: ping.sessionId,
      order_id: ping.orderId,
      status: ping.status,
      timestamp: naiveIsoUs(ping.eventTimeUs),
      start_lat: ping.startLat,
      start_lon: ping.startLng,
      end_lat: ping.endLat,
      end_lon: ping.endLng,
      current_lat: ping.lat,
      current_lon: ping.lng,
    }),
  )
  const offer = {
    source: 'test',
    receivedMs: 5,
    payload: lines.join('\n'),
    pings,
    deadLetters: [],
    countDuplicates: false,
  }
  life.intake.offer(offer, (outcome) => expect(outcome.ok).toBe(true))
}

const pingArbitrary = fc
  .record({
    session: fc.integer({ min: 0, max: 2 }),
    status: fc.constantFrom('started' as const, 'en_route' as const, 'completed' as const),
    second: fc.integer({ min: 0, max: 60 }),
    lat: fc.integer({ min: 0, max: 2 }),
  })
  .map(({ session, status, second, lat }): Ping => ({
    deviceId: 'd',
    vehicleId: 'v',
    orderId: 'o',
    sessionId: `s${session}`,
    status,
    eventTimeUs: 1_700_000_000_000_000 + second * 1_000_000,
    startLat: 1,
    startLng: 1,
    endLat: 2,
    endLng: 2,
    lat: 38 + lat / 100,
    lng: 23,
  }))

const actions = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.array(pingArbitrary, { minLength: 1, maxLength: 25 }) },
    { weight: 3, arbitrary: fc.constantFrom('flush', 'flush bronze', 'checkpoint', 'sweep') },
    { weight: 1, arbitrary: fc.constantFrom('crash', 'crash in flush') },
  ),
  { minLength: 10, maxLength: 60 },
)

const sortedFacts = (store: Store) =>
  [...store.facts.values()].sort((a, b) => a.offset - b.offset || a.part - b.part)

test('whatever is flushed, stored, put away and crashed, the stores end with the facts of an undisturbed run', async () => {
  await fc.assert(
    fc.asyncProperty(actions, async (script) => {
      const disturbed = durable()
      let life = await start(disturbed)
      for (const action of script) {
        if (typeof action !== 'string') send(life, action)
        else if (action === 'flush') {
          life.derived.flush()
          disturbed.states.setFloor(disturbed.silver.acknowledged)
        } else if (action === 'flush bronze') life.received.flush()
        else if (action === 'checkpoint') void life.checkpoint.take()
        else if (action === 'sweep') void life.sweep.step()
        else {
          if (action === 'crash in flush') life.derived.flush(true)
          life.derived.dead = true
          disturbed.states.crash()
          life = await start(disturbed)
        }
        await disturbed.clock.advanceMs(1)
      }
      await disturbed.clock.advanceMs(5_000)
      expect(life.partition.backlog).toBe(0)
      life.derived.flush()
      life.received.flush()

      const quiet = durable()
      const other = await start(quiet)
      for (const action of script) if (typeof action !== 'string') send(other, action)
      await quiet.clock.advanceMs(5_000)
      other.derived.flush()
      other.received.flush()
      expect(sortedFacts(disturbed.silver)).toEqual(sortedFacts(quiet.silver))
      expect(sortedFacts(disturbed.bronze).map(nameOf)).toEqual(
        sortedFacts(quiet.bronze).map(nameOf),
      )
    }),
    { numRuns: 300 },
  )
})

test('after a clean stop nothing is replayed', async () => {
  const world = durable()
  const life = await start(world)
  send(
    life,
    [1, 2, 3].map((second) => ({ ...PING, eventTimeUs: 1_700_000_000_000_000 + second })),
  )
  await world.clock.advanceMs(1)
  life.derived.flush()
  life.received.flush()
  expect(await life.checkpoint.take()).toBe(2)
  expect((await start(world)).replayed).toBe(0)
})

test('a store that holds less than it had acknowledged stops the start with a reason', async () => {
  const world = durable()
  const life = await start(world)
  send(life, [PING])
  await world.clock.advanceMs(1)
  life.derived.flush()
  await life.checkpoint.take()
  world.silver.acknowledged = -1
  expect(start(world)).rejects.toThrow('a store was replaced or lost data')
})

test('a journal that ends before what the stores hold stops the start with a reason', async () => {
  const world = durable()
  world.silver.acknowledged = 7
  world.bronze.acknowledged = 7
  await world.states.saveMark('checkpoint', new TextEncoder().encode('7'))
  expect(start(world)).rejects.toThrow('it was replaced or lost its end')
})

const PING: Ping = {
  deviceId: 'd',
  vehicleId: 'v',
  orderId: 'o',
  sessionId: 's',
  status: 'started',
  eventTimeUs: 1_700_000_000_000_000,
  startLat: 1,
  startLng: 1,
  endLat: 2,
  endLng: 2,
  lat: 38,
  lng: 23,
}
