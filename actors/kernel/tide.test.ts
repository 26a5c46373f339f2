import { expect, test } from 'bun:test'

import type { AlertFact, Fact, PingsFact } from '../model/fact.ts'
import type { HistoryPage } from '../model/history.ts'
import type { Behavior, Tide } from './behavior.ts'
import { VirtualClock } from './clock.ts'
import type { FactTarget } from './delivery.ts'
import { Directory } from './directory.ts'
import { MemoryStateStore } from './memory-state-store.ts'
import { Partition } from './partition.ts'
import { silentLog, Telemetry } from './telemetry.ts'

type Message = Readonly<{ to: string; say: string }>
type Heard = Readonly<{ untold: readonly string[]; dueMs: number; past: boolean }>

const said = (offset: number, what: string): AlertFact => ({
  ...{ kind: 'alert', partition: 0, offset, part: 0, sessionId: what, alert: 'silent' },
  ...{ dueMs: 0, firedMs: 0, late: false },
})

/** Tells at the tide what it was told before; "at 5" is due at the watermark 5, "old" needs the past. */
const shore: Behavior<Heard, Message> = {
  name: 'shore',
  version: 1,
  initial: () => ({ untold: [], dueMs: Infinity, past: false }),
  recalls: (state, { say }) => (say === 'old' && !state.past ? 7 : null),
  recalled: (state) => ({ ...state, past: true }),
  forgotten: (state) => ({ ...state, past: false }),
  receive(state, { say }) {
    const dueMs = say.startsWith('at ') ? Number(say.slice(3)) : state.dueMs
    return { state: { ...state, dueMs, untold: [...state.untold, say] }, facts: [] }
  },
  onTide(state, tide, turn) {
    if (state.untold.includes('throw')) throw new Error('will not tell')
    const isDue = state.dueMs <= tide.watermarkMs || tide.flush
    const told = [...state.untold, ...(isDue ? [`due by ${tide.watermarkMs}`] : [])]
    const facts = told.length > 0 ? [said(turn.offset, told.join(' '))] : []
    return { state: { ...state, untold: [], dueMs: isDue ? Infinity : state.dueMs }, facts }
  },
  ebbs: (state, watermarkMs) => state.dueMs <= watermarkMs,
  onTimer: (state) => ({ state, facts: [] }),
  timer: () => null,
  live: () => true,
  encode: (state) => new TextEncoder().encode(JSON.stringify(state)),
  decode: (bytes) => JSON.parse(new TextDecoder().decode(bytes)),
}

function world(mailboxMax = 10) {
  const clock = new VirtualClock()
  const facts: Fact[] = []
  let handedOver = -1
  const target: FactTarget = {
    full: false,
    accept: (fact) => {
      expect(fact.offset).toBeGreaterThan(handedOver)
      facts.push(fact)
    },
    advance: (offset) => (handedOver = offset),
    onRoom: () => {},
  }
  const received: FactTarget = { ...target, accept: () => {}, advance: () => {} }
  const answers: (() => void)[] = []
  const page: HistoryPage = { fixes: [], fromUs: -Infinity, toUs: Infinity }
  const partition = new Partition<Heard, Message>(
    {
      ...{ partition: 0, behavior: shore, idOf: ({ to }) => to, received, derived: target },
      ...{ clock, log: silentLog, telemetry: new Telemetry() },
      directory: new Directory(shore, new MemoryStateStore()),
      history: {
        load: (requests) =>
          new Promise((resolve) => answers.push(() => resolve(requests.map(() => page)))),
      },
      limits: { turnsPerSliceMax: 2, mailboxMax, awakeMax: 100 },
    },
    -1,
  )
  let offset = 0
  const enqueue = (messages: readonly Message[], tide: Tide): void => {
    const at = { offset, count: messages.length, receivedMs: 1 }
    const frame: PingsFact = {
      ...at,
      kind: 'pings',
      partition: 0,
      part: 0,
      source: '',
      payload: '',
    }
    partition.enqueue({ ...at, kind: 'messages', messages, frame, applied: null, tide })
    offset += messages.length
  }
  const flush = (applied: () => void): void => {
    const at = { offset: offset++, count: 1, receivedMs: 1 }
    partition.enqueue({ ...at, kind: 'tide', tide: { watermarkMs: 0, flush: true }, applied })
  }
  const told = (): string[] =>
    facts.flatMap((fact) => (fact.kind === 'alert' ? [`${fact.offset} ${fact.sessionId}`] : []))
  return { clock, partition, enqueue, flush, told, answers, handedOver: () => handedOver }
}

const to = (actor: string, ...says: string[]): Message[] => says.map((say) => ({ to: actor, say }))
const tide = (watermarkMs: number): Tide => ({ watermarkMs, flush: false })

test('who had a message in the frame hears of the tide once, at its end; others when they are due', async () => {
  const { clock, enqueue, told, handedOver } = world()
  enqueue([...to('a', 'one', 'two'), ...to('b', 'at 5'), ...to('a', 'three')], tide(1))
  await clock.advanceMs(10)
  expect(told()).toEqual(['3 one two three', '3 at 5'])
  enqueue(to('a', 'four'), tide(4))
  enqueue(to('a', 'five'), tide(5))
  enqueue(to('a', 'six'), tide(6))
  await clock.advanceMs(10)
  expect(told().slice(2)).toEqual(['4 four', '5 five', '5 due by 5', '6 six'])
  expect(handedOver()).toBe(6)
})

test('a flush reaches everybody, and is answered when all have heard', async () => {
  const { clock, enqueue, flush, told } = world()
  enqueue([...to('a', 'one'), ...to('b', 'two')], tide(1))
  let answered = false
  flush(() => (answered = true))
  await clock.advanceMs(10)
  expect(told()).toEqual(['1 one', '1 two', '2 due by 0', '2 due by 0'])
  expect(answered).toBe(true)
})

test('an actor that looks into its past hears of each tide after the messages before it', async () => {
  const { clock, enqueue, flush, told, answers, handedOver } = world()
  enqueue([...to('a', 'old', 'new'), ...to('b', 'other')], tide(1))
  enqueue(to('b', 'later'), tide(2))
  let answered = false
  flush(() => (answered = true))
  await clock.advanceMs(10)
  expect(told()).toEqual(['2 other', '3 later', '4 due by 0'])
  expect([handedOver(), answered]).toEqual([-1, false])
  answers[0]?.()
  await clock.advanceMs(10)
  expect(told().slice(3)).toEqual(['2 old new', '4 due by 0'])
  expect([handedOver(), answered]).toEqual([4, true])
})

test('tides that find a full mailbox hold the partition up, and none is lost', async () => {
  const { clock, enqueue, told, answers } = world(3)
  enqueue(to('a', 'old'), tide(1))
  for (const mark of [2, 3, 4, 5]) enqueue(to('b', `b${mark}`), tide(mark))
  await clock.advanceMs(10)
  expect(told().length).toBeLessThan(4)
  answers[0]?.()
  await clock.advanceMs(10)
  expect(told().filter((one) => one.includes('b'))).toEqual(['1 b2', '2 b3', '3 b4', '4 b5'])
  expect(told().filter((one) => one.includes('old'))).toEqual(['0 old'])
})

test('a behavior that throws at a tide tells at a later one, and its neighbours hear all the same', async () => {
  const { clock, enqueue, told } = world()
  enqueue([...to('a', 'throw'), ...to('b', 'fine')], tide(1))
  await clock.advanceMs(10)
  expect(told()).toEqual(['1 fine'])
})
