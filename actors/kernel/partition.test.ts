import { expect, test } from 'bun:test'

import type { Fact, PingsFact } from '../model/fact.ts'
import type { HistoryPage, HistoryRequest } from '../model/history.ts'
import type { Behavior } from './behavior.ts'
import { VirtualClock } from './clock.ts'
import type { FactTarget } from './delivery.ts'
import { Directory } from './directory.ts'
import { MemoryStateStore } from './memory-state-store.ts'
import { Partition } from './partition.ts'
import { silentLog, Telemetry } from './telemetry.ts'

type Message = Readonly<{ to: string; say: string }>
type Said = Readonly<{ said: readonly string[]; past: readonly string[] | null }>

/** Keeps what it is told; "old…" needs the past, "throw" throws, "late…" comes late. */
const listener: Behavior<Said, Message> = {
  name: 'listener',
  version: 1,
  initial: () => ({ said: [], past: null }),
  recalls: (state, message) => (message.say.startsWith('old') && !state.past ? 7 : null),
  recalled: (state, page) => ({ ...state, past: page.fixes.map((fix) => fix.status) }),
  forgotten: (state) => ({ ...state, past: null }),
  receive(state, message, turn) {
    if (message.say === 'throw') throw new Error('will not listen')
    if (state.said.includes(message.say)) return { state, facts: [], duplicate: true }
    return {
      state: { ...state, said: [...state.said, message.say] },
      facts: [factOf(turn.offset, message.say)],
      late: message.say.startsWith('late'),
    }
  },
  onTimer: (state, message, turn) => ({ state, facts: [factOf(turn.offset, message.timer)] }),
  timer: () => null,
  live: () => true,
  encode: (state) => new TextEncoder().encode(JSON.stringify(state.said)),
  decode: (bytes) => ({ said: JSON.parse(new TextDecoder().decode(bytes)), past: null }),
}

const factOf = (offset: number, sessionId: string): Fact => ({
  kind: 'alert',
  partition: 0,
  offset,
  part: 0,
  sessionId,
  alert: 'silent',
  dueMs: 0,
  firedMs: 0,
  late: false,
})

class Target implements FactTarget {
  full = false
  readonly facts: Fact[] = []
  watermark = -1
  #room: (() => void)[] = []
  accept(fact: Fact): void {
    expect(fact.offset).toBeGreaterThan(this.watermark)
    this.facts.push(fact)
  }
  advance(offset: number): void {
    expect(offset).toBeGreaterThanOrEqual(this.watermark)
    this.watermark = offset
  }
  onRoom(call: () => void): void {
    this.#room.push(call)
  }
  makeRoom(): void {
    this.full = false
    for (const call of this.#room.splice(0)) call()
  }
}

function world(
  limits: Partial<{ turnsPerSliceMax: number; mailboxMax: number; awakeMax: number }> = {},
) {
  const clock = new VirtualClock()
  const store = new MemoryStateStore()
  const directory = new Directory(listener, store)
  const telemetry = new Telemetry()
  const received = new Target()
  const derived = new Target()
  const asked: {
    requests: readonly HistoryRequest[]
    answer: (pages: HistoryPage[]) => void
    fail: () => void
  }[] = []
  const partition = new Partition<Said, Message>(
    {
      partition: 0,
      behavior: listener,
      idOf: (message) => message.to,
      directory,
      received,
      derived,
      clock,
      log: silentLog,
      telemetry,
      history: {
        load: (requests) =>
          new Promise((answer, reject) =>
            asked.push({ requests, answer, fail: () => reject(new Error('store away')) }),
          ),
      },
      limits: { turnsPerSliceMax: 100, mailboxMax: 10, awakeMax: 1_000, ...limits },
    },
    -1,
  )
  let offset = 0
  const enqueue = (
    messages: Message[],
    applied: ((duplicates: number) => void) | null = null,
  ): void => {
    const at = { offset, count: messages.length, receivedMs: 1 }
    const frame: PingsFact = {
      ...at,
      kind: 'pings',
      partition: 0,
      part: 0,
      source: 'test',
      payload: new Uint8Array(),
    }
    partition.enqueue({ ...at, kind: 'messages', messages, frame, applied })
    offset += messages.length
  }
  const said = () =>
    derived.facts.flatMap((fact) =>
      fact.kind === 'alert' ? [`${fact.offset}:${fact.sessionId}`] : [],
    )
  return { clock, store, directory, received, derived, partition, asked, enqueue, said, telemetry }
}

const to = (actor: string, ...says: string[]): Message[] => says.map((say) => ({ to: actor, say }))
const PAGE: HistoryPage = {
  fixes: [{ eventTimeUs: 1, status: 'past', lat: 0, lng: 0 }],
  fromUs: -Infinity,
  toUs: Infinity,
}

test('messages are handled in order of offsets, and the watermark follows', async () => {
  const { clock, partition, enqueue, said, received, derived } = world({ turnsPerSliceMax: 2 })
  enqueue(to('a', 'one', 'two', 'three'))
  enqueue(to('b', 'four'))
  expect(partition.backlog).toBe(4)
  await clock.advanceMs(0)
  expect(said()).toEqual(['0:one', '1:two', '2:three', '3:four'])
  expect([
    partition.backlog,
    partition.handledThrough,
    received.watermark,
    derived.watermark,
  ]).toEqual([0, 3, 3, 3])
  expect(received.facts.map((fact) => fact.offset)).toEqual([0, 3])
})

test('an actor that looks into its past waits alone, and holds the derived watermark only', async () => {
  const { clock, partition, enqueue, said, asked, received, derived } = world()
  enqueue([...to('a', 'new', 'old', 'newer'), ...to('b', 'other')])
  await clock.advanceMs(0)
  expect(said()).toEqual(['0:new', '3:other'])
  expect([derived.watermark, received.watermark]).toEqual([0, 3])
  expect(asked[0]?.requests).toEqual([{ id: 'a', partition: 0, eventTimeUs: 7, beforeOffset: 1 }])
  asked[0]?.answer([PAGE])
  await clock.advanceMs(0)
  expect(said()).toEqual(['0:new', '3:other', '1:old', '2:newer'])
  expect([derived.watermark, partition.backlog]).toEqual([3, 0])
})

test('a failed look into the past is tried again', async () => {
  const { clock, enqueue, said, asked } = world()
  enqueue(to('a', 'old'))
  await clock.advanceMs(0)
  asked[0]?.fail()
  await clock.advanceMs(250)
  asked[1]?.answer([PAGE])
  await clock.advanceMs(0)
  expect(said()).toEqual(['0:old'])
})

test('a full mailbox holds the partition up and loses nothing', async () => {
  const { clock, partition, enqueue, said, asked, received } = world({ mailboxMax: 2 })
  enqueue(to('a', 'old', 'x', 'y', 'z'))
  await clock.advanceMs(10)
  expect(partition.backlog).toBe(2)
  asked[0]?.answer([PAGE])
  await clock.advanceMs(10)
  expect(said()).toEqual(['0:old', '1:x', '2:y', '3:z'])
  expect(received.facts).toHaveLength(1)
})

test('a slice grows while many messages wait, to eight times at most', async () => {
  const { clock, enqueue, derived } = world({ turnsPerSliceMax: 10 })
  const ends: number[] = []
  const advance = derived.advance.bind(derived)
  derived.advance = (offset) => {
    advance(offset)
    ends.push(offset + 1)
  }
  for (let count = 0; count < 5_000; count++) enqueue(to('a', 'one'))
  await clock.advanceMs(1)
  const sizes = ends.map((end, index) => end - (ends[index - 1] ?? 0))
  expect(sizes[0]).toBe(80)
  expect(sizes.slice(-20, -1)).toEqual(Array.from({ length: 19 }, () => 10))
  expect(ends.at(-1)).toBe(5_000)
})

test('a sink without room stops the turns until it has some', async () => {
  const { clock, partition, enqueue, said, derived } = world({ turnsPerSliceMax: 1 })
  derived.full = true
  enqueue(to('a', 'one', 'two'))
  await clock.advanceMs(10)
  expect([said(), partition.backlog]).toEqual([[], 2])
  derived.makeRoom()
  await clock.advanceMs(10)
  expect(said()).toEqual(['0:one', '1:two'])
})

test('a delivery of more facts than a sink may hold is handed over in parts', async () => {
  const { clock, enqueue, said, derived } = world({ turnsPerSliceMax: 2 })
  const accept = derived.accept.bind(derived)
  const advance = derived.advance.bind(derived)
  let held = 0
  derived.accept = (fact) => {
    accept(fact)
    if (fact.kind === 'alert') derived.full = ++held >= 2
  }
  // As a sink does it: only what the watermark has passed may be written and gives room.
  derived.advance = (offset) => {
    advance(offset)
    held = derived.facts.filter((fact) => fact.offset > offset).length
    if (held < 2) clock.soon(() => derived.makeRoom())
  }
  enqueue(to('a', 'one', 'two', 'three', 'four', 'five'))
  await clock.advanceMs(10)
  expect(said()).toEqual(['0:one', '1:two', '2:three', '3:four', '4:five'])
})

test('after a halt nothing is handed over, whatever is answered or makes room', async () => {
  const { clock, partition, enqueue, asked, derived } = world()
  enqueue(to('a', 'old'))
  await clock.advanceMs(10)
  enqueue(to('b', 'one'))
  partition.halt()
  asked[0]?.answer([{ fixes: [], fromUs: -Infinity, toUs: Infinity }])
  partition.wake()
  await clock.advanceMs(1_000)
  expect(derived.facts.filter((fact) => fact.kind !== 'pings')).toEqual([])
  expect(partition.handledThrough).toBe(-1)
})

test('who sent a timer is told when it was handled, not before', async () => {
  const { clock, partition, derived } = world()
  let handled = 0
  const applied = (): void => void handled++
  derived.full = true
  partition.enqueue({
    kind: 'timer',
    key: 'listener:a',
    timer: { timer: 'ring', dueMs: 1, basisMs: 0 },
    applied,
    offset: 0,
    count: 1,
    receivedMs: 5,
  })
  await clock.advanceMs(10)
  expect(handled).toBe(0)
  derived.makeRoom()
  await clock.advanceMs(10)
  expect(handled).toBe(1)
})

test('a behavior that throws costs its message, not its actor, neighbours or process', async () => {
  const { clock, enqueue, derived, said, partition } = world()
  enqueue([...to('a', 'one', 'throw', 'two'), ...to('b', 'three')])
  await clock.advanceMs(0)
  expect(said()).toEqual(['0:one', '2:two', '3:three'])
  expect(derived.facts.find((fact) => fact.kind === 'dead_letter')).toMatchObject({
    offset: 1,
    code: 'poison',
    message: 'listener:a: will not listen',
  })
  expect(partition.handledThrough).toBe(3)
})

test('a state that cannot be read makes dead letters, not a crash', async () => {
  const { clock, store, enqueue, derived } = world()
  await store.save([
    {
      key: 'listener:a',
      offset: -1,
      version: 1,
      state: new Uint8Array([1]),
      timerMs: null,
      live: true,
    },
  ])
  enqueue(to('a', 'one'))
  await clock.advanceMs(0)
  expect(derived.facts.map((fact) => fact.kind)).toContain('dead_letter')
})

test('who waits for it is told how many messages were repeats', async () => {
  const { clock, enqueue } = world()
  const told: number[] = []
  enqueue(to('a', 'one', 'one', 'two', 'one'), (duplicates) => told.push(duplicates))
  await clock.advanceMs(0)
  expect(told).toEqual([2])
})

test('a message that the stored state has seen is passed over in a replay', async () => {
  const { clock, store, enqueue, said } = world()
  const state = new TextEncoder().encode('["one"]')
  await store.save([{ key: 'listener:a', offset: 1, version: 1, state, timerMs: null, live: true }])
  enqueue(to('a', 'one', 'two', 'three'))
  await clock.advanceMs(0)
  expect(said()).toEqual(['2:three'])
})

test('a store that cannot be read now delays its messages, and makes no dead letters of them', async () => {
  const { clock, store, partition, enqueue, said, derived } = world()
  const load = store.load.bind(store)
  let failures = 2
  store.load = (key) => {
    if (failures-- > 0) throw new Error('database is locked')
    return load(key)
  }
  enqueue([...to('a', 'one'), ...to('b', 'two')])
  await clock.advanceMs(300)
  expect([said(), partition.backlog]).toEqual([[], 2])
  await clock.advanceMs(300)
  expect(said()).toEqual(['0:one', '1:two'])
  expect(derived.facts.filter((fact) => fact.kind === 'dead_letter')).toEqual([])
})

test('messages, repeats and late ones are counted', async () => {
  const { clock, enqueue, telemetry } = world()
  enqueue([
    { to: 'a', say: 'one' },
    { to: 'a', say: 'late one' },
    { to: 'b', say: 'late two' },
    { to: 'a', say: 'late one' },
  ])
  await clock.advanceMs(1)
  const valueOf = (name: string): number => telemetry.counter(name, '').value
  expect(['turns', 'duplicates', 'late'].map((name) => valueOf(`orrery_${name}_total`))).toEqual([
    4, 1, 2,
  ])
})
