import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { systemClock, VirtualClock } from '../../actors/kernel/clock.ts'
import { systemDisk } from '../../actors/kernel/disk.ts'
import type { FrameKind } from '../../actors/kernel/entries.ts'
import { silentLog, Telemetry } from '../../actors/kernel/telemetry.ts'
import type { OfferOutcome } from '../../actors/model/offer.ts'
import type { Ping } from '../../actors/model/ping.ts'
import type { Trip } from '../../actors/model/trip.ts'
import { type Dial, relayUrl } from './dial.ts'
import { EdgeFolder } from './edge-folder.ts'
import { type Edge, openEdge } from './edge.ts'

let directory = ''
beforeEach(() => void (directory = mkdtempSync(join(tmpdir(), 'orrery-edge-'))))
afterEach(() => rmSync(directory, { recursive: true, force: true }))

const NONE: Dial = () => ({ send() {}, buffered: 0, cut() {} })
const frames = {
  pings: { kind: 'pings', parse: (value) => value as Ping } satisfies FrameKind<Ping>,
  trips: { kind: 'trips', parse: (value) => value as Trip } satisfies FrameKind<Trip>,
} as const

/** A core that takes all that it is sent, once its line is up. */
function coreThatTakes(isUp: () => boolean): Dial {
  return (events) => {
    let next = 0
    const word = (value: unknown): void =>
      systemClock.soon(() => events.word(JSON.stringify(value)))
    systemClock.soon(() => (isUp() ? events.opened() : events.closed('no core')))
    return {
      send(message) {
        if (typeof message === 'string') {
          const streams = { pings: { resume: 0 }, trips: { resume: 0 } }
          if (!message.includes('hello')) return
          const { streams: offered } = JSON.parse(message)
          streams.pings.resume = offered.pings.first
          word({ type: 'welcome', version: 1, streams, message_bytes_max: 4_000_000, window: 2 })
          return
        }
        const view = new DataView(message.buffer, message.byteOffset + 1)
        next = view.getFloat64(8, true) + view.getUint32(16, true)
        word({ type: 'ack', stream: 'pings', next })
      },
      buffered: 0,
      cut() {},
    }
  }
}

function open(
  dial: Dial,
  bounds: Readonly<{ bytesMax: number; ageMsMax: number }>,
  clock = systemClock,
) {
  return openEdge({
    ...{ directory, edge: 'depot', frames, dial, disk: systemDisk, clock, random: () => 0 },
    ...{ newId: () => crypto.randomUUID(), log: silentLog, telemetry: new Telemetry(), ...bounds },
    limits: { retryMsAtFirst: 5, retryMsMax: 10 },
  })
}

function offer(edge: Edge, bytes: number): Promise<OfferOutcome> {
  const messages = [{ sessionId: 's' } as Ping]
  const at = {
    source: 'van',
    receivedMs: systemClock.nowMs(),
    deadLetters: [],
    countDuplicates: true,
  }
  return new Promise((done) =>
    edge.ingest.offer({ ...at, messages, payload: 'x'.repeat(bytes) }, done),
  )
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise<void>((resolve) => systemClock.soon(resolve))
}

describe('what waits at an edge', () => {
  test('is bounded in bytes: senders are told busy, nothing is dropped, and there is room again once a core has it', async () => {
    let isUp = false
    const edge = await open(
      coreThatTakes(() => isUp),
      { bytesMax: 1_000_000, ageMsMax: 1e9 },
    )
    let taken = 0
    let outcome = await offer(edge, 20_000)
    for (; outcome.ok; outcome = await offer(edge, 20_000)) taken++
    expect(outcome).toMatchObject({
      code: 'busy',
      message: 'no core has taken 1000000 bytes that wait here',
    })
    expect(taken).toBeGreaterThan(40)
    expect(edge.outboxes.pings.backlog).toBe(taken)
    expect(edge.health().upstream).toMatchObject({ status: 'unhealthy', pings: taken })
    isUp = true
    await until(() => edge.outboxes.pings.backlog === 0)
    await until(() => edge.ingest.refusal?.() === null)
    expect(await offer(edge, 20_000)).toEqual({ ok: true, duplicates: null })
    expect(edge.health().upstream).toMatchObject({ status: 'healthy', line: 'forwarding' })
    await edge.stop(1_000)
  })

  test('is bounded in age, and says how old it is', async () => {
    const clock = new VirtualClock(systemClock.nowMs())
    // The disk is a real one: time goes on while it works.
    const opening = open(NONE, { bytesMax: 1e9, ageMsMax: 3_600_000 }, clock)
    const driven = <Value>(work: Promise<Value>): Promise<Value> => {
      let isDone = false
      void work.finally(() => (isDone = true))
      return until(() => {
        void clock.advanceMs(1)
        return isDone
      }).then(() => work)
    }
    const edge = await driven(opening)
    expect(await driven(offer(edge, 100))).toMatchObject({ ok: true })
    await clock.advanceMs(1_800_000)
    expect(edge.ingest.refusal?.()).toBeNull()
    expect(edge.health().upstream.oldestMs).toBeGreaterThanOrEqual(1_800_000)
    expect(edge.health().upstream).toMatchObject({
      status: 'degraded',
      pings: 1,
      line: 'connecting',
    })
    await clock.advanceMs(1_900_000)
    expect(edge.ingest.refusal?.()).toMatchObject({ code: 'busy' })
    expect(edge.health().upstream.status).toBe('unhealthy')
    await driven(edge.stop(1_000))
  })

  test('is there after a restart, under the same identity', async () => {
    const bounds = { bytesMax: 1e9, ageMsMax: 1e9 }
    const first = await open(NONE, bounds)
    await offer(first, 100)
    await first.stop(10)
    const second = await open(
      coreThatTakes(() => true),
      bounds,
    )
    expect(second.identity).toBe(first.identity)
    expect(second.outboxes.pings.nextOffset).toBe(1)
    await until(() => second.outboxes.pings.backlog === 0)
    await second.stop(1_000)
  })
})

describe('the identity of a folder', () => {
  const opened = (next: number, newId = () => 'identity-of-later') =>
    EdgeFolder.open({ directory, next: { pings: next, trips: 0 }, newId, log: silentLog })

  test('is another one when the journal has lost what a core has', async () => {
    const folder = opened(0, () => 'identity-at-first')
    await folder.note({ pings: 50, trips: 0 })
    expect(opened(50)).toMatchObject({
      identity: 'identity-at-first',
      acknowledged: { pings: 50, trips: 0 },
    })
    expect(opened(49)).toMatchObject({
      identity: 'identity-of-later',
      acknowledged: { pings: 0, trips: 0 },
    })
  })

  test('outlives what was noted torn, and is not guessed when it cannot be read', () => {
    opened(0, () => 'identity-at-first')
    writeFileSync(join(directory, 'acknowledged.json'), '{"identity":"iden')
    expect(opened(9)).toMatchObject({
      identity: 'identity-at-first',
      acknowledged: { pings: 0, trips: 0 },
    })
    writeFileSync(join(directory, 'identity.json'), '{')
    expect(() => opened(9)).toThrow('cannot be used')
  })
})

test('the address of a core may be written as one has it', () => {
  expect(relayUrl('wss://core.example')).toBe('wss://core.example/relay')
  expect(relayUrl('https://core.example:8443/')).toBe('wss://core.example:8443/relay')
  expect(relayUrl('http://core:8000')).toBe('ws://core:8000/relay')
  expect(relayUrl('wss://proxy.example/orrery/relay')).toBe('wss://proxy.example/orrery/relay')
})
