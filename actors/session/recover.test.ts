import { expect, test } from 'bun:test'

import fc from 'fast-check'

import { Checkpoint, raiseFloor } from '../kernel/checkpoint.ts'
import { VirtualClock } from '../kernel/clock.ts'
import { Directory } from '../kernel/directory.ts'
import { Intake } from '../kernel/intake.ts'
import { MemoryStateStore } from '../kernel/memory-state-store.ts'
import { Partition } from '../kernel/partition.ts'
import { planRecovery } from '../kernel/recover.ts'
import { nameOf, SlowJournal, sortedFacts, Store, StoreTarget } from '../kernel/recovery-testing.ts'
import { Replay } from '../kernel/replay.ts'
import { Sweep } from '../kernel/sweep.ts'
import { silentLog, Telemetry } from '../kernel/telemetry.ts'
import type { Fact } from '../model/fact.ts'
import type { Offer, OfferOutcome } from '../model/offer.ts'
import type { Ping } from '../model/ping.ts'
import { naiveIsoUs } from '../model/time.ts'
import { sessionBehavior } from './behavior.ts'
import { PINGS } from './frames.ts'

type Durable = Readonly<{
  journal: SlowJournal
  states: MemoryStateStore
  silver: Store
  bronze: Store
  clock: VirtualClock
}>

const durable = (): Durable => {
  const clock = new VirtualClock()
  const journal = new SlowJournal(clock)
  return {
    clock,
    journal,
    states: new MemoryStateStore(),
    silver: new Store(),
    bronze: new Store(),
  }
}

const DERIVED: readonly Fact['kind'][] = ['header', 'status', 'movement', 'alert', 'dead_letter']

/** One life of the process over what is durable; its senders come back before the replay is done. */
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
                fact.sessionId === request.id &&
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
  const limits = { aheadMax: 10, heldMax: 20 }
  const replay = new Replay(
    { journal, partition, frames: PINGS, clock, log: silentLog, limits },
    plan,
  )
  const intake = new Intake({
    journal,
    frames: PINGS,
    partition: replay,
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
  const replayed = replay.run()
  return { partition, replay, intake, checkpoint, sweep, received, derived, replayed }
}

type Life = Awaited<ReturnType<typeof start>>

function send(life: Life, pings: readonly Ping[]): void {
  life.intake.offer(offerOf(pings), (outcome) => expect(outcome.ok).toBe(true))
}

function offerOf(pings: readonly Ping[]): Offer {
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
  return {
    source: 'test',
    receivedMs: 5,
    payload: lines.join('\n'),
    messages: pings,
    deadLetters: [],
    countDuplicates: false,
  }
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

test('whatever is flushed, stored, put away and crashed, the stores end with the facts of an undisturbed run', async () => {
  let sentWhileReplaying = 0
  await fc.assert(
    fc.asyncProperty(actions, async (script) => {
      const disturbed = durable()
      let life = await start(disturbed)
      for (const action of script) {
        if (typeof action !== 'string') {
          if (life.replay.behind > 0) sentWhileReplaying++
          send(life, action)
        } else if (action === 'flush') {
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
  expect(sentWhileReplaying).toBeGreaterThan(100)
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
  expect(await (await start(world)).replayed).toBe(0)
})

/** A second life over a journal of so many frames of one ping each, of which no store has anything. */
async function startOver(frames: number) {
  const world = durable()
  const first = await start(world)
  for (let second = 0; second < frames; second++) send(first, [pingAt(second)])
  await world.clock.advanceMs(10)
  first.derived.dead = true
  world.states.crash()
  return { world, life: await start(world) }
}

test('who asks for repeats while the journal is replayed hears of them', async () => {
  const { world, life } = await startOver(100)
  const heard: OfferOutcome[] = []
  const offer = { ...offerOf([pingAt(3), pingAt(200), pingAt(99)]), countDuplicates: true }
  life.intake.offer(offer, (outcome) => heard.push(outcome))
  await world.clock.advanceMs(50)
  expect(life.replay.behind).toBeGreaterThan(0)
  expect(heard).toEqual([])
  await world.clock.advanceMs(200)
  expect(life.replay.behind).toBe(0)
  expect(heard).toEqual([{ ok: true, duplicates: 2 }])
})

test('a replay gains on any sender: what comes meanwhile counts beyond half of what was replayed', async () => {
  const { world, life } = await startOver(100)
  for (let second = 0; second < 40; second++) send(life, [pingAt(500 + second)])
  await world.clock.advanceMs(1)
  expect(life.replay.backlog).toBeGreaterThan(30)
  await world.clock.advanceMs(85)
  expect(life.replay.behind).toBeGreaterThan(0)
  expect(life.replay.backlog).toBe(0)
  await world.clock.advanceMs(500)
  expect(life.replay.behind).toBe(0)
})

test('a replay that is stopped says that the next start has to go on, and keeps what came meanwhile', async () => {
  const { world, life } = await startOver(100)
  send(life, [pingAt(500)])
  await world.clock.advanceMs(20)
  expect(life.replay.stop()).toBe(true)
  await world.clock.advanceMs(100)
  expect(await life.replayed).toBeLessThan(40)
  life.derived.flush()
  life.received.flush()
  const last = await start(world)
  await world.clock.advanceMs(500)
  last.derived.flush()
  expect(sortedFacts(world.silver).filter(({ kind }) => kind === 'movement')).toHaveLength(101)
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

test('a store that holds less than what older states were dropped by stops the start, checkpoint or not', async () => {
  const world = durable()
  const life = await start(world)
  send(life, [PING])
  await world.clock.advanceMs(1)
  life.derived.flush()
  await raiseFloor(world.states, world.silver.acknowledged)
  world.silver.acknowledged = -1
  await expect(start(world)).rejects.toThrow('a store was replaced or lost data')
})

test('a journal that ends before what the stores hold stops the start with a reason', async () => {
  const world = durable()
  world.silver.acknowledged = 7
  world.bronze.acknowledged = 7
  await world.states.saveMark('checkpoint', new TextEncoder().encode('7'))
  expect(start(world)).rejects.toThrow('it was replaced or lost its end')
})

const pingAt = (second: number): Ping => ({
  ...PING,
  eventTimeUs: PING.eventTimeUs + second * 1_000_000,
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
