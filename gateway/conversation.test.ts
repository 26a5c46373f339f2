import { expect, test } from 'bun:test'

import fc from 'fast-check'

import { VirtualClock } from '../actors/kernel/clock.ts'
import { Conversation, type Wire } from './conversation.ts'
import { Intake } from './intake.ts'
import { PINGS } from './item-kind.ts'
import { GATEWAY_DEFAULTS, type GatewayOptions } from './options.ts'
import { RECEIVED } from './replies.ts'
import { TEST_SOURCE, TestIngest, testPorts, wirePing } from './testing.ts'

/** A socket that keeps what it was told; `reads` false is a peer that does not read. */
class TestWire implements Wire {
  readonly sent: string[] = []
  closedWith: number | null = null
  terminated = false
  paused = false
  reads = true
  corks = 0

  sendText(text: string): number {
    this.sent.push(text)
    return this.reads ? text.length : -1
  }
  close(code: number): void {
    this.closedWith = code
  }
  terminate(): void {
    this.terminated = true
  }
  pause(): void {
    this.paused = true
  }
  resume(): void {
    this.paused = false
  }
  cork(call: () => void): void {
    this.corks++
    call()
  }
}

function open(overrides: Partial<GatewayOptions> = {}): Readonly<{
  wire: TestWire
  ingest: TestIngest
  clock: VirtualClock
  conversation: Conversation
}> {
  const options = { ...GATEWAY_DEFAULTS, ...overrides }
  const ingest = new TestIngest()
  ingest.outcome = null
  const clock = new VirtualClock(Date.parse('2026-01-01T00:00:00Z'))
  const ports = testPorts({ ingest, clock })
  const wire = new TestWire()
  const conversation = new Conversation(
    wire,
    {
      intake: new Intake(ports, options, PINGS),
      clock,
      options,
      nameOf: () => null,
      flushSoon: (each) => clock.soon(() => each.flush()),
      onRefusedKey: () => {},
    },
    TEST_SOURCE,
  )
  return { wire, ingest, clock, conversation }
}

const text = (fields: Readonly<Record<string, unknown>> = {}): string =>
  JSON.stringify(wirePing(fields))

type Action = Readonly<{ kind: 'good' | 'bad' | 'batch' | 'release' | 'pass'; at: number }>
const action: fc.Arbitrary<Action> = fc.record({
  kind: fc.constantFrom('good', 'bad', 'batch', 'release', 'release', 'pass'),
  at: fc.nat(20),
})

test('property: one reply a message, in order, whenever and in whatever order outcomes come', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 60 }), async (actions) => {
      const { wire, ingest, clock, conversation } = open()
      const expected: RegExp[] = []
      for (const { kind, at } of actions) {
        if (kind === 'release' && ingest.held > 0) ingest.release(at % ingest.held)
        else if (kind === 'pass') await clock.advanceMs(0)
        else if (kind === 'good') {
          expected.push(/^{"success":true,"message":"Data received"}$/)
          conversation.receive(text())
        } else if (kind === 'bad') {
          const current_lat = expected.length + 1_000
          expected.push(new RegExp(`"received":"${current_lat}"`))
          conversation.receive(text({ current_lat }))
        } else if (kind === 'batch') {
          expected.push(new RegExp(`"accepted":${at + 2},`))
          conversation.receive(Array.from({ length: at + 2 }, () => text()).join('\n'))
        }
        expect(wire.sent.length).toBeLessThanOrEqual(expected.length)
      }
      while (ingest.held > 0) ingest.release(ingest.held - 1)
      await clock.advanceMs(0)
      expect(wire.sent).toHaveLength(expected.length)
      for (const [index, reply] of wire.sent.entries())
        expect(reply).toMatch(expected[index] ?? /^$/)
      expect(conversation.unanswered).toBe(0)
    }),
    { numRuns: 200 },
  )
})

test('replies that become due together leave in one write', async () => {
  const { wire, ingest, clock, conversation } = open()
  for (let index = 0; index < 5; index++) conversation.receive(text())
  for (const place of [4, 3, 2, 1, 0]) ingest.release(place)
  await clock.advanceMs(0)
  expect(wire.sent).toHaveLength(5)
  expect(wire.corks).toBe(1)
})

test('it stops reading at the bound, is busy at twice the bound, and reads on at half', async () => {
  const { wire, ingest, clock, conversation } = open({ unansweredMax: 4 })
  for (let index = 0; index < 4; index++) conversation.receive(text())
  expect(wire.paused).toBe(true)
  for (let index = 0; index < 6; index++) conversation.receive(text())
  expect(ingest.offers).toHaveLength(8)
  for (let index = 0; index < 7; index++) ingest.release()
  await clock.advanceMs(0)
  expect(wire.paused).toBe(true)
  ingest.release()
  await clock.advanceMs(0)
  expect(wire.paused).toBe(false)
  expect(wire.sent.filter((reply) => reply === RECEIVED)).toHaveLength(8)
  expect(wire.sent.slice(8).map((reply) => reply.includes('"code":"busy"'))).toEqual([true, true])
})

test('while nothing can be taken, a message is answered without being read', async () => {
  const { wire, ingest, clock, conversation } = open()
  ingest.refusal = () => ({ ok: false, code: 'busy', message: 'full', retryAfterMs: 70 })
  conversation.receive('no ping at all')
  await clock.advanceMs(0)
  expect(JSON.parse(wire.sent[0] ?? '')).toMatchObject({ code: 'busy', retry_after_ms: 70 })
  ingest.refusal = () => null
  await clock.advanceMs(70)
  conversation.receive(text())
  expect(ingest.offers).toHaveLength(1)
})

test('who is told to come again later is not read until then, and what was read already gains nothing', async () => {
  const { wire, ingest, clock, conversation } = open()
  ingest.outcome = () => ({ ok: true, duplicates: null })
  ingest.refusal = () => ({ ok: false, code: 'busy', message: 'full', retryAfterMs: 1_000 })
  conversation.receive(text())
  ingest.refusal = () => null
  await clock.advanceMs(400)
  expect(wire.paused).toBe(true)
  conversation.receive(text())
  await clock.advanceMs(0)
  expect(wire.sent.map((reply) => JSON.parse(reply).retry_after_ms)).toEqual([1_000, 600])
  await clock.advanceMs(600)
  expect(wire.paused).toBe(false)
  conversation.receive(text())
  await clock.advanceMs(0)
  expect(wire.sent.at(-1)).toBe(RECEIVED)
  expect(ingest.offers).toHaveLength(1)
})

test('who is refused again and again is told to wait longer, until something was taken', async () => {
  const { wire, ingest, clock, conversation } = open()
  ingest.outcome = () => ({ ok: true, duplicates: null })
  const refusal = () => ({ ok: false, code: 'busy', message: 'full', retryAfterMs: 100 }) as const
  const send = async (): Promise<number> => {
    conversation.receive(text())
    await clock.advanceMs(0)
    const told = JSON.parse(wire.sent.at(-1) ?? '').retry_after_ms ?? 0
    await clock.advanceMs(told)
    return told
  }
  ingest.refusal = refusal
  const told: number[] = []
  for (let count = 0; count < 5; count++) told.push(await send())
  expect(told).toEqual([100, 200, 400, 800, 800])
  ingest.refusal = () => null
  expect(await send()).toBe(0)
  ingest.refusal = refusal
  expect(await send()).toBe(100)
})

test('a socket that is held and closes leaves no timer behind', () => {
  const { ingest, clock, conversation } = open()
  ingest.refusal = () => ({ ok: false, code: 'busy', message: 'full', retryAfterMs: 1_000 })
  conversation.receive(text())
  conversation.closed()
  expect(clock.waiting).toBe(1)
})

test('the bound on bytes holds as well', () => {
  const { wire, conversation } = open({ unansweredBytesMax: 10_000 })
  conversation.receive(text({ route_name: 'x'.repeat(6_000) }))
  expect(wire.paused).toBe(false)
  conversation.receive(text({ route_name: 'x'.repeat(6_000) }))
  expect(wire.paused).toBe(true)
})

test('a peer that does not read its replies is not read, and is cut when that lasts', async () => {
  const { wire, ingest, clock, conversation } = open()
  wire.reads = false
  conversation.receive(text())
  ingest.release()
  await clock.advanceMs(0)
  expect(wire.paused).toBe(true)
  await clock.advanceMs(GATEWAY_DEFAULTS.stallMsMax - 1)
  expect(wire.terminated).toBe(false)
  await clock.advanceMs(1)
  expect(wire.terminated).toBe(true)
})

test('a peer that reads again is read again and not cut', async () => {
  const { wire, ingest, clock, conversation } = open()
  wire.reads = false
  conversation.receive(text())
  ingest.release()
  await clock.advanceMs(1_000)
  wire.reads = true
  conversation.drained()
  expect(wire.paused).toBe(false)
  await clock.advanceMs(GATEWAY_DEFAULTS.stallMsMax)
  expect(wire.terminated).toBe(false)
  expect(clock.waiting).toBe(0)
})

test('outcomes that come after the close are told to nobody', async () => {
  const { wire, ingest, clock, conversation } = open()
  conversation.receive(text())
  conversation.closed()
  ingest.release()
  await clock.advanceMs(0)
  expect(wire.sent).toHaveLength(0)
})

test('nothing is read after a frame that is too large', async () => {
  const { wire, ingest, clock, conversation } = open({ frameBytesMax: 1_000 })
  conversation.receive('x'.repeat(1_001))
  conversation.receive(text())
  expect(ingest.offers).toHaveLength(1)
  ingest.release()
  await clock.advanceMs(0)
  expect(wire.sent).toHaveLength(1)
  expect(wire.closedWith).toBe(1009)
})
