import { expect, test } from 'bun:test'

import fc from 'fast-check'

import { Checkpoint, readNote } from '../kernel/checkpoint.ts'
import { VirtualClock } from '../kernel/clock.ts'
import { Directory } from '../kernel/directory.ts'
import { Intake } from '../kernel/intake.ts'
import { MemoryStateStore } from '../kernel/memory-state-store.ts'
import { Partition } from '../kernel/partition.ts'
import { planRecovery } from '../kernel/recover.ts'
import { SlowJournal, sortedFacts, Store, StoreTarget } from '../kernel/recovery-testing.ts'
import { Replay } from '../kernel/replay.ts'
import { silentLog, Telemetry } from '../kernel/telemetry.ts'
import { type Fact, TRIPS_PARTITION_FIRST } from '../model/fact.ts'
import type { HistoryRequest, TripsPage } from '../model/history.ts'
import type { Trip } from '../model/trip.ts'
import type { RegionWindow } from '../model/window.ts'
import type { TripArrival } from './arrival.ts'
import { regionBehavior } from './behavior.ts'
import { TRIPS } from './frames.ts'
import { reckon } from './reckoning.ts'
import type { RegionState } from './state.ts'
import { TideInlet } from './tide-inlet.ts'

const MINUTE_MS = 60_000
const START_MS = Date.UTC(2026, 0, 1)
const BOUND_MS = 2 * MINUTE_MS
const LATENESS_MS = MINUTE_MS

type Durable = Readonly<{
  clock: VirtualClock
  journal: SlowJournal
  states: MemoryStateStore
  silver: Store
  bronze: Store
}>

const durable = (): Durable => {
  const clock = new VirtualClock()
  const journal = new SlowJournal(clock, TRIPS_PARTITION_FIRST)
  return {
    clock,
    journal,
    states: new MemoryStateStore(),
    silver: new Store(),
    bronze: new Store(),
  }
}

/** What the store, and the facts on their way to it, say of a region's minute. */
function pageOf(
  facts: readonly Fact[],
  { id, eventTimeUs, beforeOffset }: HistoryRequest,
): TripsPage {
  const minuteMs = Math.floor(eventTimeUs / 60_000_000) * MINUTE_MS
  const tripIds = facts.flatMap((fact) => {
    if (fact.kind !== 'trip' || fact.offset >= beforeOffset) return []
    const { tripId, regionId, eventTimeUs: atUs } = fact.trip
    const minute = Math.floor(atUs / 60_000_000) * MINUTE_MS
    return String(regionId) === id && minute === minuteMs ? [tripId] : []
  })
  return { minuteMs, tripIds }
}

/** One life of the process over what is durable; its senders come back before the replay is done. */
async function start({ journal, states, silver, bronze, clock }: Durable) {
  const behavior = regionBehavior({
    ...{ allowedLatenessMs: LATENESS_MS, storedIdsMax: 2 },
    ...{ pastMinutesMax: 2, pastIdsMax: 4 },
  })
  const directory = new Directory(behavior, states)
  const received = new StoreTarget(bronze, ['trips'])
  const derived = new StoreTarget(silver, ['trip', 'windows', 'dead_letter'])
  const acknowledged = { received: bronze.acknowledged, derived: silver.acknowledged }
  const plan = await planRecovery(states, acknowledged)
  const telemetry = new Telemetry()
  const ports = { behavior, directory, clock, log: silentLog, telemetry }
  const partition = new Partition<RegionState, TripArrival, TripsPage>(
    {
      ...ports,
      partition: TRIPS_PARTITION_FIRST,
      idOf: ({ trip }) => String(trip.regionId),
      received,
      derived,
      history: {
        load: async (requests) => {
          await new Promise<void>((resolve) => clock.after(3, resolve))
          const stored = [...silver.facts.values()].filter(
            ({ offset }) => offset <= silver.acknowledged,
          )
          return requests.map((request) => pageOf([...stored, ...derived.pending], request))
        },
      },
      limits: { turnsPerSliceMax: 7, mailboxMax: 50, awakeMax: 1_000 },
    },
    plan.replayFrom - 1,
  )
  const inlet = new TideInlet(partition, readNote(states), BOUND_MS)
  const limits = { aheadMax: 10, heldMax: 20 }
  const shared = { journal, frames: TRIPS, clock }
  const replay = new Replay({ ...shared, partition: inlet, log: silentLog, limits }, plan)
  const intake = new Intake({
    ...{ ...shared, partition: replay, telemetry },
    limits: { backlogMax: 10_000, retryAfterMs: 100 },
  })
  const checkpoint = new Checkpoint<RegionState, TripArrival, TripsPage>({
    ...ports,
    store: states,
    note: (offset) => inlet.noteAt(offset),
    handledThrough: () => partition.handledThrough,
    acknowledged: (offset) => derived.acknowledged(offset),
  })
  for (const stored of states.live()) directory.get(directory.idOf(stored.key))
  void replay.run()
  return { partition, replay, intake, checkpoint, received, derived }
}

type Life = Awaited<ReturnType<typeof start>>
type Action =
  | readonly Trip[]
  | 'flush windows'
  | 'store'
  | 'store bronze'
  | 'checkpoint'
  | 'crash'
  | 'crash in store'

function offer(life: Life, action: readonly Trip[] | 'flush windows'): void {
  const taken = (outcome: { ok: boolean }): void => expect(outcome.ok).toBe(true)
  if (typeof action === 'string') return life.intake.flush('test', 5, taken)
  const payload = action.map((trip) =>
    JSON.stringify({
      trip_id: trip.tripId,
      region_id: trip.regionId,
      event_time: new Date(trip.eventTimeUs / 1_000).toISOString(),
      fare: trip.fareUsd,
      duration: trip.durationS,
      distance: trip.distanceKm,
    }),
  )
  const about = { source: 'test', receivedMs: 5, deadLetters: [], countDuplicates: false }
  life.intake.offer({ ...about, payload: payload.join('\n'), messages: action }, taken)
}

/** Few ids in few minutes: repeats, late trips and trips that are too late are frequent. */
const tripArbitrary = fc
  .record({
    id: fc.integer({ min: 0, max: 5 }),
    region: fc.integer({ min: 1, max: 3 }),
    second: fc.integer({ min: 0, max: 900 }),
    fare: fc.integer({ min: 500, max: 9_999 }),
  })
  .map(({ id, region, second, fare }): Trip => ({
    tripId: `t${id}`,
    regionId: region,
    eventTimeUs: (START_MS + second * 1_000) * 1_000,
    fareUsd: fare / 100,
    durationS: 60 + (fare % 7_000),
    distanceKm: fare / 100,
    extras: null,
  }))

const script: fc.Arbitrary<Action[]> = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.array(tripArbitrary, { minLength: 1, maxLength: 20 }) },
    { weight: 1, arbitrary: fc.constant('flush windows' as const) },
    {
      weight: 3,
      arbitrary: fc.constantFrom('store' as const, 'store bronze' as const, 'checkpoint' as const),
    },
    { weight: 1, arbitrary: fc.constantFrom('crash' as const, 'crash in store' as const) },
  ),
  { minLength: 10, maxLength: 60 },
)

async function run(actions: readonly Action[], disturbed: boolean): Promise<Durable> {
  const world = durable()
  let life = await start(world)
  for (const action of actions) {
    if (typeof action !== 'string' || action === 'flush windows') offer(life, action)
    else if (disturbed && action === 'store') life.derived.flush()
    else if (disturbed && action === 'store bronze') life.received.flush()
    else if (disturbed && action === 'checkpoint') void life.checkpoint.take()
    else if (disturbed) {
      if (action === 'crash in store') life.derived.flush(true)
      life.derived.dead = true
      world.states.crash()
      life = await start(world)
    }
    if (disturbed) await world.clock.advanceMs(1)
  }
  await world.clock.advanceMs(5_000)
  expect(life.partition.backlog).toBe(0)
  life.derived.flush()
  life.received.flush()
  return world
}

/** The newest row of every window. */
function windowsOf({ silver }: Durable): RegionWindow[] {
  const windows = new Map<string, RegionWindow>()
  for (const fact of sortedFacts(silver)) {
    if (fact.kind !== 'windows') continue
    for (const window of fact.windows) {
      windows.set(`${window.regionId} ${window.sizeS} ${window.startMs}`, window)
    }
  }
  return [...windows.values()].sort(
    (a, b) => a.regionId - b.regionId || a.sizeS - b.sizeS || a.startMs - b.startMs,
  )
}

test('whatever is stored and crashed, trips and windows end as in an undisturbed run, and as reckoned plainly', async () => {
  await fc.assert(
    fc.asyncProperty(script, async (actions) => {
      const disturbed = await run(actions, true)
      const quiet = await run(actions, false)
      expect(sortedFacts(disturbed.silver)).toEqual(sortedFacts(quiet.silver))
      expect([...disturbed.bronze.facts.keys()].sort()).toEqual(
        [...quiet.bronze.facts.keys()].sort(),
      )

      const stream = actions.flatMap((action): (Trip | 'flush')[] => {
        if (action === 'flush windows') return ['flush']
        return typeof action === 'string' ? [] : [...action]
      })
      const options = { boundMs: BOUND_MS, allowedLatenessMs: LATENESS_MS }
      const { windows } = reckon(stream, options)
      const figures = ({ tripCount, lateCount, final, revision, ...window }: RegionWindow) => [
        ...[window.regionId, window.sizeS, window.startMs, tripCount, lateCount, final, revision],
        ...[window.p50Duration, window.p95Duration, Math.round(window.totalFare * 100)],
      ]
      expect(windowsOf(disturbed).map(figures)).toEqual(windows.map(figures))
    }),
    { numRuns: 1_500 },
  )
})
