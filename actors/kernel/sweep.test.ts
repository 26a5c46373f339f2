import { expect, test } from 'bun:test'

import type { Behavior } from './behavior.ts'
import { VirtualClock } from './clock.ts'
import { Directory } from './directory.ts'
import { MemoryStateStore } from './memory-state-store.ts'
import { Sweep } from './sweep.ts'
import { silentLog, Telemetry } from './telemetry.ts'

type State = Readonly<{ dueMs: number | null }>

const alarm: Behavior<State, never> = {
  name: 'alarm',
  version: 1,
  initial: () => ({ dueMs: null }),
  recalls: () => null,
  recalled: (state) => state,
  forgotten: (state) => state,
  receive: (state) => ({ state, facts: [] }),
  onTimer: (state) => ({ state, facts: [] }),
  timer: ({ dueMs }) => (dueMs === null ? null : { timer: 'ring', dueMs, basisMs: 0 }),
  live: () => false,
  encode: (state) => new TextEncoder().encode(JSON.stringify(state)),
  decode: (bytes) => JSON.parse(new TextDecoder().decode(bytes)),
}

function world(limits: Partial<{ awakeMax: number; idleMs: number }> = {}) {
  const clock = new VirtualClock()
  let release = (): void => {}
  let held: Promise<void> | null = null
  const store = new MemoryStateStore(() => held ?? Promise.resolve())
  const directory = new Directory(alarm, store)
  const fired: string[] = []
  let room = 0
  const sweep = new Sweep({
    behavior: alarm,
    directory,
    store,
    clock,
    log: silentLog,
    telemetry: new Telemetry(),
    fire: (key, { timer, dueMs }) => {
      fired.push(`${key} ${timer} ${dueMs - clock.nowMs()}`)
      return true
    },
    madeRoom: () => room++,
    limits: { awakeMax: 100, idleMs: 1_000, cellsPerStepMax: 10, everyMs: 100, ...limits },
  })
  const wake = (id: string, offset: number, dueMs: number | null = null) => {
    const cell = directory.get(id)
    cell.state = { dueMs }
    cell.offset = offset
    cell.turns++
    cell.lastReceivedMs = clock.nowMs()
    cell.recent = true
    return cell
  }
  const hold = (): void => {
    held = new Promise((resolve) => {
      release = () => {
        held = null
        resolve()
      }
    })
  }
  return {
    clock,
    store,
    directory,
    sweep,
    fired,
    wake,
    hold,
    release: () => release(),
    room: () => room,
  }
}

test('who is idle is stored, then let go; who is not stays', async () => {
  const { clock, store, directory, sweep, wake, room } = world()
  wake('old', 5)
  await clock.advanceMs(1_500)
  wake('new', 6)
  await sweep.step()
  await sweep.step()
  expect([directory.peek('old'), directory.awake]).toEqual([undefined, 1])
  expect(store.load('alarm:old')).toMatchObject({ offset: 5 })
  expect(directory.get('old').offset).toBe(5)
  expect(room()).toBe(1)
})

test('when too many are awake, those without a message since the last round go', async () => {
  const { directory, sweep, wake } = world({ awakeMax: 2 })
  for (const id of ['a', 'b', 'c', 'd']) wake(id, 1)
  await sweep.step()
  expect(directory.awake).toBe(4)
  wake('b', 2)
  await sweep.step()
  expect([directory.awake, directory.peek('b')?.offset]).toEqual([1, 2])
})

test('a crowd is not kept waiting for the next round', async () => {
  const { clock, directory, sweep, wake } = world({ awakeMax: 2 })
  sweep.start()
  for (const id of ['a', 'b', 'c', 'd', 'e']) wake(id, 1)
  await clock.advanceMs(25)
  expect(directory.awake).toBeLessThanOrEqual(2)
  await sweep.stop()
})

test('a message that comes while an actor is being stored keeps it awake, and nothing is lost', async () => {
  const { clock, store, directory, sweep, wake, hold, release } = world()
  const cell = wake('a', 5)
  await clock.advanceMs(1_500)
  await sweep.step()
  cell.recent = false
  hold()
  const step = sweep.step()
  cell.offset = 6
  cell.turns++
  release()
  await step
  expect(directory.peek('a')).toBe(cell)
  expect(store.load('alarm:a')).toMatchObject({ offset: 5 })
  expect(cell.changed).toBe(true)
})

test('a due timer fires once until it was handled, whether its actor is awake or away', async () => {
  const { clock, store, directory, sweep, fired, wake } = world()
  wake('awake', 1, clock.nowMs() + 50)
  await store.save([
    {
      key: 'alarm:away',
      offset: 1,
      version: 1,
      state: alarm.encode({ dueMs: clock.nowMs() + 60 }),
      timerMs: clock.nowMs() + 60,
      live: false,
    },
  ])
  await sweep.step()
  expect(fired).toEqual([])
  await clock.advanceMs(100)
  await sweep.step()
  await sweep.step()
  expect(fired.sort()).toEqual(['alarm:awake ring -50', 'alarm:away ring -40'])
  expect(directory.peek('away')).toBeUndefined()
  sweep.fired('alarm:away')
  await sweep.step()
  expect(fired).toHaveLength(3)
})

test('a timer that could not be sent is sent again, and meanwhile its actor may be put away', async () => {
  const { clock, directory, sweep, fired, wake } = world()
  wake('a', 1, clock.nowMs() + 50)
  await clock.advanceMs(100)
  await sweep.step()
  sweep.fired('alarm:a')
  await sweep.step()
  expect(fired).toHaveLength(2)
  await clock.advanceMs(2_000)
  await sweep.step()
  await sweep.step()
  expect([directory.awake, fired.length]).toEqual([0, 2])
})

test('a failed write leaves the actor awake', async () => {
  const { clock, store, directory, sweep, wake } = world()
  wake('a', 5)
  await clock.advanceMs(1_500)
  await sweep.step()
  store.failure = new Error('disk full')
  await expect(sweep.step()).rejects.toThrow('disk full')
  expect(directory.peek('a')?.changed).toBe(true)
  store.failure = null
  await sweep.step()
  expect(directory.awake).toBe(0)
})

test('an actor whose state cannot be read does not stop the timers of others', async () => {
  const { clock, store, sweep, fired } = world()
  const timerMs = clock.nowMs() - 1
  const due = { offset: 1, version: 1, timerMs, live: false }
  await store.save([
    { ...due, key: 'alarm:broken', state: new Uint8Array([255]) },
    { ...due, key: 'alarm:whole', state: alarm.encode({ dueMs: timerMs }) },
  ])
  await sweep.step()
  expect(fired).toEqual(['alarm:whole ring -1'])
})
