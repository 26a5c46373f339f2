import { afterEach, describe, expect, test } from 'bun:test'

import { systemClock } from '../actors/kernel/clock.ts'
import { buildCity } from '../actors/model/city.ts'
import { createFleet } from './fleet.ts'
import { Simulation, type SimulationOptions } from './simulation.ts'
import type { Summary } from './tally.ts'
import { type Double, type DoubleOptions, startDouble } from './testing.ts'

const city = buildCity()
let double: Double | null = null

afterEach(async () => {
  await double?.stop()
  double = null
})

type Run = Readonly<{ summary: Summary; recorded: readonly string[]; server: Double }>

/** Drives until so many pings are acknowledged, then ends in peace. */
async function run(
  enough: number,
  behaviour: Omit<DoubleOptions, 'key'>,
  options: Partial<SimulationOptions> = {},
): Promise<Run> {
  const server = startDouble({ key: 'right', ...behaviour })
  double = server
  const recorded: string[] = []
  const reached = Promise.withResolvers<void>()
  const simulation = new Simulation({
    url: server.url,
    key: () => Promise.resolve('right'),
    fleet: createFleet({ vehicles: 100, seed: 3, rateHz: 50, speed: 1, run: 'test', city }),
    seed: 3,
    framePings: 10,
    sockets: 3,
    framesInFlightMax: 4,
    faults: {},
    clock: systemClock,
    onAcknowledged(lines) {
      recorded.push(...lines)
      if (recorded.length >= enough) reached.resolve()
    },
    ...options,
  })
  await simulation.start()
  await reached.promise
  return { summary: await simulation.finish(10_000), recorded, server }
}

describe('a simulation over real sockets', () => {
  test('the old protocol: one ping, one reply, and all of them arrive once and in order', async () => {
    const { summary, recorded, server } = await run(
      500,
      {},
      { framePings: 1, sockets: 4, framesInFlightMax: 1 },
    )
    expect(summary.addsUp).toBe(true)
    expect(summary.acknowledged).toBe(summary.generated)
    expect(server.taken.length).toBe(summary.generated)
    expect(server.frames()).toBe(summary.generated)
    expect(server.taken.toSorted()).toEqual(recorded.toSorted())
  })

  test('what had no reply when the line was cut is sent again', async () => {
    const { summary, recorded, server } = await run(2_000, {
      onFrame: (frame) =>
        frame % 40 === 17 ? 'cut after' : frame % 40 === 31 ? 'cut before' : 'take',
    })
    expect(server.connections()).toBeGreaterThan(4)
    expect(summary.reconnects).toBeGreaterThan(1)
    expect(summary.sentAgain).toBeGreaterThan(0)
    expect(summary.unacknowledged).toBe(0)
    expect(summary.addsUp).toBe(true)
    expect(new Set(recorded).size).toBe(recorded.length)
    expect(summary.acknowledged).toBe(recorded.length)
    const taken = new Set(server.taken)
    expect(recorded.every((line) => taken.has(line))).toBe(true)
    expect(taken.size).toBe(summary.generated)
    expect(server.taken.length).toBeGreaterThan(taken.size)
  })

  test('a busy server gets every ping, later', async () => {
    const { summary, server } = await run(1_500, {
      onFrame: (frame) => (frame % 5 === 2 ? 'busy' : 'take'),
    })
    expect(summary.busy).toBeGreaterThan(10)
    expect(summary.acknowledged).toBe(summary.generated)
    expect(server.taken.length).toBe(summary.generated)
  })

  test('refused pings are counted with their reason and not sent again', async () => {
    const { summary, server } = await run(1_000, {
      refuse: (ping) => (ping.status === 'started' ? 'no starts today' : null),
    })
    expect(summary.refused).toBeGreaterThanOrEqual(100)
    expect(summary.refusals['invalid_ping no starts today']).toBe(summary.refused)
    expect(summary.acknowledged).toBe(server.taken.length)
    expect(summary.addsUp).toBe(true)
  })

  test('with every fault at once the sum still adds up', async () => {
    const { summary, recorded, server } = await run(
      2_500,
      { refuse: (ping) => (ping.status === 'completed' ? 'no' : null) },
      { faults: { drop: 0.05, duplicate: 0.1, reorder: 0.1, late: 0.05, cut: 0.05 } },
    )
    const { generated, acknowledged, refused, dropped, unacknowledged } = summary
    expect(unacknowledged).toBe(0)
    expect(acknowledged + refused + dropped).toBe(generated)
    expect(summary.addsUp).toBe(true)
    expect(summary.duplicatesSent).toBeGreaterThan(50)
    expect(summary.cuts).toBeGreaterThan(3)
    expect(summary.late).toBeGreaterThan(30)
    expect(recorded.length).toBe(acknowledged)
    expect(new Set(server.taken).size).toBe(acknowledged)
  })

  test('a server that dies for good leaves the rest unacknowledged, and says how many', async () => {
    const { summary, recorded } = await run(300, {}, {}).then(async (first) => {
      await first.server.stop()
      return first
    })
    expect(summary.acknowledged).toBe(recorded.length)

    const server = startDouble({
      key: 'right',
      onFrame: (frame) => (frame < 20 ? 'take' : 'cut before'),
    })
    double = server
    const simulation = new Simulation({
      url: server.url,
      key: () => Promise.resolve('right'),
      fleet: createFleet({ vehicles: 100, seed: 3, rateHz: 50, speed: 1, run: 'x', city }),
      ...{ seed: 3, framePings: 10, sockets: 1, framesInFlightMax: 4, faults: {} },
      clock: systemClock,
      onAcknowledged: () => {},
    })
    await simulation.start()
    await untilTrue(() => server.frames() > 22)
    const end = await simulation.finish(50)
    expect(end.unacknowledged).toBeGreaterThan(0)
    expect(end.acknowledged + end.unacknowledged).toBe(end.generated)
  })

  test('a wrong key, a closed port and a wrong path each fail with their own words', async () => {
    const server = startDouble({ key: 'right' })
    double = server
    const start = (url: string, key: string): Promise<void> => {
      const simulation = new Simulation({
        url,
        key: () => Promise.resolve(key),
        fleet: createFleet({ vehicles: 1, seed: 3, rateHz: 1, speed: 1, run: 'x', city }),
        ...{ seed: 3, framePings: 1, sockets: 1, framesInFlightMax: 1, faults: {} },
        clock: systemClock,
        onAcknowledged: () => {},
      })
      return simulation.start().finally(() => simulation.finish(0))
    }
    await expect(start(server.url, 'wrong')).rejects.toThrow('the key was refused')
    await expect(start('ws://127.0.0.1:1/ws', 'right')).rejects.toThrow('nothing listens')
    const other = Bun.serve({ port: 0, fetch: () => new Response('no', { status: 404 }) })
    const wrongPath = start(`ws://127.0.0.1:${other.port}/x`, 'right')
    await expect(wrongPath).rejects.toThrow('no WebSocket address')
    await other.stop(true)
  })
})

function untilTrue(condition: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => void (condition() ? resolve() : setImmediate(look))
    look()
  })
}
