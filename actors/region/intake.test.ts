import { expect, test } from 'bun:test'

import { VirtualClock } from '../kernel/clock.ts'
import type { Delivery } from '../kernel/delivery.ts'
import { Intake } from '../kernel/intake.ts'
import { MemoryJournal } from '../kernel/memory-journal.ts'
import { Telemetry } from '../kernel/telemetry.ts'
import type { DeadLetter } from '../model/fact.ts'
import type { OfferOutcome } from '../model/offer.ts'
import type { Trip } from '../model/trip.ts'
import { TRIPS } from './frames.ts'
import { sampleTrips } from './testing.ts'

const LETTER: DeadLetter = {
  ...{ code: 'invalid_trip', path: 'fare', expected: 'a number', received: '"x"' },
  ...{ message: 'fare: expected a number, received "x"', source: 'test', receivedMs: 5 },
  ...{ raw: new TextEncoder().encode('{}'), truncated: false },
}

test('late trips and repeats are counted, also when others of the message were refused', async () => {
  const clock = new VirtualClock()
  // Of two trips one comes again and one is late.
  const enqueue = (delivery: Delivery<Trip>): void => {
    if (delivery.kind === 'messages') delivery.applied?.(repeats, 1)
  }
  let repeats = 1
  const intake = new Intake({
    journal: new MemoryJournal({ partition: 1_000, clock }),
    frames: TRIPS,
    partition: { backlog: 0, enqueue },
    ...{ clock, telemetry: new Telemetry(), overloaded: () => null },
    limits: { backlogMax: 10, perTurnMax: 10, retryAfterMs: 100 },
  })
  const offer = async (deadLetters: readonly DeadLetter[]): Promise<OfferOutcome | undefined> => {
    let answer: OfferOutcome | undefined
    const messages = sampleTrips().slice(0, 2)
    const said = { source: 'test', receivedMs: 5, payload: '', countDuplicates: true }
    intake.offer({ ...said, messages, deadLetters }, (outcome) => (answer = outcome))
    await clock.advanceMs(1)
    return answer
  }
  expect(await offer([])).toEqual({ ok: true, duplicates: 1, late: 1 })
  expect(await offer([LETTER])).toEqual({ ok: true, duplicates: 1, late: 1 })
  repeats = 0
  expect(await offer([LETTER, LETTER])).toEqual({ ok: true, duplicates: 0, late: 1 })
})
