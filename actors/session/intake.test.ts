import { expect, test } from 'bun:test'

import { VirtualClock } from '../kernel/clock.ts'
import type { Delivery } from '../kernel/delivery.ts'
import { Intake } from '../kernel/intake.ts'
import { MemoryJournal } from '../kernel/memory-journal.ts'
import { Telemetry } from '../kernel/telemetry.ts'
import type { Offer, OfferOutcome } from '../model/offer.ts'
import type { Ping } from '../model/ping.ts'
import { PINGS } from './frames.ts'

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

const offer: Offer = {
  source: 'test',
  receivedMs: 5,
  payload: '{}',
  messages: [PING],
  deadLetters: [],
  countDuplicates: false,
}

function open() {
  const clock = new VirtualClock()
  const journal = new MemoryJournal({ partition: 0, clock })
  const deliveries: Delivery<Ping>[] = []
  const actors = { backlog: 0, enqueue: (delivery: Delivery<Ping>) => deliveries.push(delivery) }
  let overload: string | null = null
  const intake = new Intake({
    journal,
    frames: PINGS,
    partition: actors,
    clock,
    telemetry: new Telemetry(),
    limits: { backlogMax: 10, perTurnMax: 3, retryAfterMs: 100 },
    overloaded: () => overload,
  })
  const ask = async (): Promise<OfferOutcome | undefined> => {
    const outcomes: OfferOutcome[] = []
    intake.offer(offer, (outcome) => outcomes.push(outcome))
    await clock.advanceMs(1)
    return outcomes[0]
  }
  const overloadBy = (why: string | null): void => void (overload = why)
  return { intake, clock, actors, deliveries, journal, ask, overloadBy }
}

test('while the process is overloaded nothing is taken, and senders hear when to come again', async () => {
  const { intake, deliveries, journal, ask, overloadBy } = open()
  overloadBy('late')
  expect(await ask()).toMatchObject({ ok: false, code: 'busy', message: 'late' })
  expect(intake.refusal()?.message).toBe('late')
  expect(journal.nextOffset).toBe(0)
  overloadBy(null)
  expect(intake.refusal()).toBeNull()
  expect(await ask()).toEqual({ ok: true, duplicates: null })
  expect(deliveries.map(({ offset }) => offset)).toEqual([0])
})

test('while too many pings wait for their turn nothing is taken', async () => {
  const { actors, ask } = open()
  actors.backlog = 10
  expect(await ask()).toMatchObject({ ok: false, code: 'busy' })
  actors.backlog = 9
  expect(await ask()).toMatchObject({ ok: true })
})

test('so many pings a turn of the event loop, and then other work goes first', async () => {
  const { intake, clock, deliveries } = open()
  const outcomes: OfferOutcome[] = []
  for (let count = 0; count < 5; count++) intake.offer(offer, (outcome) => outcomes.push(outcome))
  await clock.advanceMs(1)
  expect(outcomes.map(({ ok }) => ok).sort()).toEqual([false, false, true, true, true])
  expect(intake.refusal()).toBeNull()
  expect(deliveries).toHaveLength(3)
})

test('who is refused together is told to come again at different times', () => {
  const { intake, overloadBy } = open()
  overloadBy('late')
  const times = Array.from({ length: 100 }, () => intake.refusal()?.retryAfterMs ?? 0).sort(
    (a, b) => a - b,
  )
  expect(times[0]).toBeGreaterThanOrEqual(50)
  expect(times.at(-1)).toBeLessThanOrEqual(150)
  const gaps = times.slice(1).map((time, index) => time - (times[index] ?? 0))
  expect(Math.max(...gaps)).toBeLessThanOrEqual(2)
})
