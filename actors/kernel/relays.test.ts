import { expect, test } from 'bun:test'

import { silentLog } from '../kernel/telemetry.ts'
import type { DeadLetter } from '../model/fact.ts'
import type { Offer, OfferOutcome } from '../model/offer.ts'
import { VirtualClock } from './clock.ts'
import type { Delivery } from './delivery.ts'
import type { FrameKind } from './entries.ts'
import { Intake } from './intake.ts'
import { MemoryJournal } from './memory-journal.ts'
import { Relays } from './relays.ts'
import { Replay } from './replay.ts'
import { Telemetry } from './telemetry.ts'

type Message = Readonly<{ n: number }>

const FRAMES: FrameKind<Message> = { kind: 'pings', parse: (value) => value as Message }
const LETTER: DeadLetter = {
  ...{ code: 'invalid_json', path: '', expected: 'JSON', received: 'x', message: 'no JSON' },
  ...{ raw: new Uint8Array([120]), truncated: false, receivedMs: 7, source: 'van@depot' },
}

/** Intake, replay and relays over one journal, as a process has them. */
function start(journal: MemoryJournal, clock: VirtualClock, note: string, from: number) {
  const handled: Delivery<Message>[] = []
  const actors = {
    backlog: 0,
    enqueue: (delivery: Delivery<Message>) => void handled.push(delivery),
    handled: () => Promise.resolve(),
  }
  const relays = Relays.before<Message>(note, (rest) => ({
    inlet: actors,
    note: () => `tide${rest}`,
  }))
  const replay = new Replay(
    { journal, partition: relays, frames: FRAMES, clock, log: silentLog },
    { replayFrom: from, checkpoint: -1 },
  )
  const limits = { backlogMax: 100, retryAfterMs: 100 }
  const telemetry = new Telemetry()
  const intake = new Intake({
    ...{ journal, partition: replay, frames: FRAMES, clock, telemetry, limits },
  })
  return { intake, relays, replay, handled }
}

const offerOf = (sender: string, sequence: number, more: Partial<Offer<Message>> = {}) => ({
  ...{ source: 'van@depot', receivedMs: 5, payload: '{"n":1}\n{"n":2}', countDuplicates: false },
  ...{ messages: [{ n: 1 }, { n: 2 }], deadLetters: [], relay: { sender, sequence } },
  ...more,
})

test('positions are what is on disk: live, replayed, and from a note with the tail behind it', async () => {
  const clock = new VirtualClock()
  const journal = new MemoryJournal({ partition: 0, clock })
  const first = start(journal, clock, '', 0)
  const outcomes: OfferOutcome[] = []
  const done = (outcome: OfferOutcome): void => void outcomes.push(outcome)
  expect(first.relays.next('a.1')).toBeNull()
  first.intake.offer(offerOf('a.1', 9), done)
  // Not before it is on disk.
  expect(first.relays.next('a.1')).toBeNull()
  await clock.advanceMs(5)
  expect(first.relays.next('a.1')).toBe(10)
  const note = first.relays.noteAt(1)
  expect(note).not.toContain(' ')
  first.intake.offer(offerOf('b.1', 0, { messages: [], payload: '', deadLetters: [LETTER] }), done)
  first.intake.offer(offerOf('a.1', 14, { deadLetters: [LETTER] }), done)
  first.intake.flush('van@depot', 6, done, { sender: 'c.1', sequence: 3 })
  await clock.advanceMs(5)
  expect(outcomes.filter(({ ok }) => ok)).toHaveLength(3)
  expect(first.relays.next('b.1')).toBe(1)
  expect(first.relays.next('a.1')).toBe(15)
  expect(first.relays.next('c.1')).toBe(4)

  for (const [noted, from] of [['', 0] as const, [note, 2] as const, [note, 0] as const]) {
    const again = start(journal, clock, noted, from)
    await again.replay.run()
    for (const sender of ['a.1', 'b.1', 'c.1']) {
      expect(again.relays.next(sender)).toBe(first.relays.next(sender))
    }
    // A replay hands on what the first run did, to the byte.
    const texts = (of: readonly Delivery<Message>[]): unknown[] =>
      of.map((delivery) =>
        delivery.kind === 'messages'
          ? { ...delivery, frame: Buffer.from(delivery.frame.payload).toString() }
          : { ...delivery, applied: null },
      )
    expect(texts(again.handled)).toEqual(texts(first.handled.slice(from === 0 ? 0 : 1)))
  }
})

test('what the inlet behind noted before there were relays is still its own', () => {
  const clock = new VirtualClock()
  const journal = new MemoryJournal({ partition: 0, clock })
  expect(start(journal, clock, '1234', 0).relays.noteAt(0)).toBe('tide1234')
})

test('a mixed offer is known to be taken only with its last entry', async () => {
  const clock = new VirtualClock()
  const journal = new MemoryJournal({ partition: 0, clock })
  const { intake } = start(journal, clock, '', 0)
  intake.offer(offerOf('a.1', 9, { deadLetters: [LETTER, LETTER] }), () => {})
  await clock.advanceMs(5)
  const kinds: string[] = []
  for await (const { kind } of journal.read(0)) kinds.push(kind)
  expect(kinds).toEqual(['dead_letter', 'dead_letter', 'relayed'])
})
