import { afterEach, expect, test } from 'bun:test'

import { type Double, type FrameFate, startDouble } from '../simulator/testing.ts'
import { FrameSet } from './frames.ts'
import { Lane } from './lane.ts'

let double: Double | null = null

afterEach(async () => {
  await double?.stop()
  double = null
})

/** Sends so many frames over one lane, several in flight, and waits for their answers. */
async function send(
  frames: number,
  framePings: number,
  onFrame: (frame: number) => FrameFate,
): Promise<{ server: Double; busy: number; refused: number }> {
  const server = startDouble({ key: 'right', onFrame })
  double = server
  const set = new FrameSet({ vehicles: framePings * 8, framePings, run: 'r', sessionPings: 30 })
  const done = Promise.withResolvers<void>()
  let [answered, sent, busy, refused] = [0, 0, 0, 0]
  const sendNext = (lane: Lane): void => {
    if (sent++ < frames) lane.send(0, Date.now())
  }
  const lane = new Lane(set, 0, 1, {
    onAnswered(self, _, refusedHere) {
      refused += refusedHere
      if (++answered === frames) done.resolve()
      else sendNext(self)
    },
    onBusy(self) {
      busy++
      self.send(0, Date.now())
    },
    onLost: (why) => done.reject(new Error(why)),
  })
  const { hostname, port } = new URL(server.url)
  await lane.open(hostname, Number(port), 'right')
  for (let first = 0; first < 4; first++) sendNext(lane)
  await done.promise
  expect(lane.unanswered).toBe(0)
  return { server, busy, refused }
}

for (const framePings of [1, 50]) {
  test(`frames of ${framePings} arrive whole and once over a raw socket`, async () => {
    const { server, refused } = await send(200, framePings, () => 'take')
    expect(server.taken.length).toBe(200 * framePings)
    expect(new Set(server.taken).size).toBe(200 * framePings)
    expect(refused).toBe(0)
  })

  test(`a frame of ${framePings} that found the server busy comes again unchanged`, async () => {
    const { server, busy } = await send(100, framePings, (frame) =>
      frame % 7 === 3 ? 'busy' : 'take',
    )
    expect(busy).toBeGreaterThan(10)
    expect(new Set(server.taken).size).toBe(100 * framePings)
    expect(server.taken.length).toBe(100 * framePings)
  })
}

test('a wrong key and a server that goes away are said', async () => {
  const server = startDouble({ key: 'right', onFrame: () => 'cut before' })
  double = server
  const set = new FrameSet({ vehicles: 50, framePings: 50, run: 'r', sessionPings: 30 })
  const lost = Promise.withResolvers<string>()
  const events = { onAnswered: () => {}, onBusy: () => {}, onLost: lost.resolve }
  const { hostname, port } = new URL(server.url)
  const wrong = new Lane(set, 0, 1, { ...events, onLost: () => {} })
  await expect(wrong.open(hostname, Number(port), 'wrong')).rejects.toThrow('key was refused')
  const lane = new Lane(set, 0, 1, events)
  await lane.open(hostname, Number(port), 'right')
  lane.send(0, Date.now())
  expect(await lost.promise).toContain('closed')
})
