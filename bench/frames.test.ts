import { describe, expect, test } from 'bun:test'

import { parsePing, TIME_LIMITS } from '../actors/model/ping.ts'
import { clientFrame, FrameSet } from './frames.ts'

const NOW_MS = 1_790_000_000_000

function pings(frame: Buffer): Record<string, unknown>[] {
  const payload = frame.subarray(8)
  expect(frame.readUInt16BE(2)).toBe(payload.byteLength)
  return payload
    .toString()
    .split('\n')
    .map((line) => JSON.parse(line))
}

describe('a set of frames', () => {
  const options = { vehicles: 100, framePings: 50, run: 'r', sessionPings: 5 }

  test('holds pings that the gateway takes, each of its own vehicle', () => {
    const set = new FrameSet(options)
    expect(set.count).toBe(2)
    const all = [0, 1].flatMap((frame) => pings(set.next(frame, NOW_MS)))
    expect(new Set(all.map((ping) => ping.session_id)).size).toBe(100)
    for (const ping of all) expect(parsePing(ping, NOW_MS, TIME_LIMITS).ok).toBe(true)
  })

  test('goes through deliveries: started, en_route, completed, then a new session', () => {
    const set = new FrameSet(options)
    const rounds = Array.from({ length: 30 }, (_, round) =>
      pings(set.next(0, NOW_MS + round * 1_000)),
    )
    for (let slot = 0; slot < 50; slot++) {
      const bySession = Map.groupBy(rounds, (round) => round[slot]?.session_id)
      const lives = [...bySession.values()].map((life) => life.map((round) => round[slot]?.status))
      expect(lives.length).toBeGreaterThan(5)
      for (const life of lives.slice(1, -1))
        expect(life).toEqual(['started', 'en_route', 'en_route', 'en_route', 'completed'])
    }
  })

  test('never gives one vehicle the same time twice, and moves it', () => {
    const set = new FrameSet(options)
    const rounds = Array.from({ length: 50 }, () => pings(set.next(1, NOW_MS)))
    for (let slot = 0; slot < 50; slot++) {
      const times = rounds.map((round) => String(round[slot]?.timestamp))
      expect(times).toEqual([...new Set(times)].toSorted())
      expect(new Set(rounds.map((round) => round[slot]?.current_lat)).size).toBeGreaterThan(40)
    }
  })

  test('gives the last message again unchanged', () => {
    const set = new FrameSet(options)
    const first = Buffer.from(set.next(0, NOW_MS))
    expect(set.same(0).equals(first)).toBe(true)
  })

  test('a frame of one is text, a batch is binary, and both are masked with zeros', () => {
    const one = new FrameSet({ ...options, framePings: 1 })
    expect([one.next(0, NOW_MS)[0], new FrameSet(options).next(0, NOW_MS)[0]]).toEqual([0x81, 0x82])
    expect([...one.same(0).subarray(4, 8)]).toEqual([0, 0, 0, 0])
    const small = clientFrame(1, Buffer.from('hello'))
    expect([...small.subarray(0, 2)]).toEqual([0x81, 0x85])
  })
})
