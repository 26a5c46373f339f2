import { seededRandom } from '../../actors/kernel/clock.ts'
import { type Fact, type MovementFact, type RetryFact } from '../../actors/model/fact.ts'
import { STATUSES } from '../../actors/model/ping.ts'
import { regionFacts, START_MS } from './region-samples.ts'

/** Samples of facts for tests: what a message makes depends on its offset and the seed alone. */
export function sampleFacts(first: number, last: number, seed: number, text?: string): Fact[] {
  const facts: Fact[] = []
  for (let offset = first; offset <= last; offset += 1) facts.push(...factsOf(offset, seed, text))
  return facts
}

/** One movement, everything chosen but what is given. */
export function sampleMovement(given: Partial<MovementFact>): MovementFact {
  const offset = given.offset ?? 0
  return {
    kind: 'movement',
    partition: 0,
    offset,
    part: 0,
    sessionId: 'session-1',
    movementId: `00000000-0000-8000-8000-${String(offset).padStart(12, '0')}`,
    status: 'en_route',
    lat: 37.98,
    lng: 23.73,
    eventTimeUs: START_MS * 1_000 + offset * 1_000_000,
    receivedMs: START_MS + offset * 1_000,
    distanceCm: 1_806,
    speedKmh: 65,
    headingDeg: 90,
    travelledCm: 1_806,
    remainingCm: 100_000,
    late: false,
    ...given,
  }
}

/** One dead letter that was read again, accepted when nothing else is given. */
export function sampleRetry(given: Partial<RetryFact>): RetryFact {
  const offset = given.offset ?? 0
  return {
    kind: 'retry',
    partition: 0,
    offset,
    part: 0,
    letter: { partition: 0, offset: 0, part: 0 },
    outcome: 'accepted',
    pings: 1,
    refused: 0,
    code: '',
    path: '',
    message: '',
    receivedMs: START_MS + offset,
    source: 'key-1/retry',
    ...given,
  }
}

function factsOf(offset: number, seed: number, text?: string): Fact[] {
  const random = seededRandom(seed * 1_000_003 + offset)
  const receivedMs = START_MS + offset * 40
  const eventTimeUs = receivedMs * 1_000 - Math.floor(random() * 86_400_000_000)
  const sessionId = text ?? `session-${offset % 7}`
  const name = { partition: 0, offset }
  const movement = sampleMovement({
    ...name,
    part: 0,
    sessionId,
    movementId: text ?? `movement-${seed}-${offset}`,
    status: STATUSES[offset % 3] ?? 'started',
    lat: random() * 180 - 90,
    lng: random() * 360 - 180,
    eventTimeUs,
    receivedMs,
    distanceCm: Math.floor(random() * 2e9) - 1e9,
    speedKmh: offset % 4 === 0 ? null : random() * 120,
    headingDeg: offset % 5 === 0 ? null : random() * 360,
    travelledCm: Math.floor(random() * 2 ** 52),
    remainingCm: Math.floor(random() * 2e9),
    late: offset % 6 === 0,
  })
  const facts: Fact[] = [movement]
  if (offset % 2 === 0) {
    facts.push({
      ...name,
      part: 1,
      kind: 'status',
      // A row of its own in a table that keeps the newest by session and status.
      sessionId: `${sessionId} ${offset}`,
      eventId: text ?? `event-${offset}`,
      revision: 0,
      status: 'started',
      from: null,
      eventTimeUs,
      receivedMs,
    })
  }
  if (offset % 3 === 0) {
    facts.push({
      ...name,
      part: 2,
      kind: 'header',
      sessionId: `${sessionId} ${offset}`,
      revision: 0,
      vehicleId: text ?? `vehicle-${offset}`,
      orderId: text ?? `order-${offset}`,
      deviceId: text ?? `device-${offset}`,
      startLat: random(),
      startLng: random(),
      endLat: random(),
      endLng: random(),
      createdAtUs: eventTimeUs,
      receivedMs,
    })
  }
  if (offset % 5 === 0) {
    facts.push({
      ...name,
      part: 3,
      kind: 'alert',
      sessionId,
      alert: 'silent',
      dueMs: receivedMs,
      firedMs: receivedMs + 10,
      late: false,
    })
  }
  if (offset % 4 === 0) {
    facts.push({
      ...name,
      part: 4,
      kind: 'dead_letter',
      code: text ?? 'invalid_ping',
      path: text ?? 'current_lat',
      expected: text ?? 'a number',
      received: text ?? 'null',
      message: text ?? 'current_lat must be a number',
      raw: Buffer.from(text ?? `{"offset":${offset}}`),
      truncated: false,
      receivedMs,
      source: text ?? 'key-1',
    })
  }
  if (offset % 9 === 0) {
    facts.push(
      sampleRetry({
        ...name,
        part: 5,
        letter: { partition: 0, offset: offset * 2, part: 4 },
        outcome: 'partial',
        refused: 2,
        code: text ?? 'invalid_ping',
        path: text ?? 'current_lat',
        message: text ?? 'current_lat must be a number',
        receivedMs,
        source: text ?? 'key-1/retry',
      }),
    )
  }
  if (offset % 7 === 0) facts.push(...regionFacts(name, random, text))
  return facts
}
