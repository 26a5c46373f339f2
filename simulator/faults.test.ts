import { describe, expect, test } from 'bun:test'

import { seededRandom } from '../actors/kernel/clock.ts'
import { FAULT_SHARES, FaultLine, type FaultShares, parseFaults } from './faults.ts'
import type { Line } from './outbox.ts'
import { Tally } from './tally.ts'

const PINGS = 5_000

function run(shares: FaultShares, seed = 1) {
  const tally = new Tally()
  const faults = new FaultLine(shares, seededRandom(seed), tally)
  const sent: Line[] = []
  const send = (line: Line): void => void sent.push(line)
  for (let index = 0; index < PINGS; index++) {
    faults.pass(`${index}`, 'VAN-0001', index * 10, send)
    faults.release(index * 10, send)
  }
  const heldAtEnd = faults.originals
  faults.release(Infinity, send)
  return { tally, sent, heldAtEnd, left: faults.originals }
}

describe('faults', () => {
  test('without any, everything passes at once and in order', () => {
    const { sent, tally } = run({})
    expect(sent.map((line) => line.text)).toEqual(Array.from({ length: PINGS }, (_, i) => `${i}`))
    expect(tally.generated).toBe(PINGS)
  })

  test('each ping is sent once or dropped, whatever is mixed; only copies come beside it', () => {
    for (let seed = 0; seed < 5; seed++) {
      const { sent, tally, left } = run(
        { drop: 0.1, duplicate: 0.1, reorder: 0.2, late: 0.1 },
        seed,
      )
      const originals = sent.filter((line) => !line.copy)
      expect(new Set(originals.map((line) => line.text)).size).toBe(originals.length)
      expect(originals.length + tally.dropped).toBe(PINGS)
      expect(left).toBe(0)
      const copies = sent.filter((line) => line.copy)
      expect(copies.length).toBeGreaterThan(PINGS * 0.07)
      const known = new Set(originals.map((line) => line.text))
      expect(copies.every((line) => known.has(line.text))).toBe(true)
    }
  })

  test('a seed harms the same pings again', () => {
    const shares = { drop: 0.1, duplicate: 0.1, reorder: 0.2, late: 0.1 }
    expect(run(shares, 3).sent).toEqual(run(shares, 3).sent)
    expect(run(shares, 4).sent).not.toEqual(run(shares, 3).sent)
  })

  test('late pings are held for a minute or more, reordered ones for seconds', () => {
    expect(run({ late: 1 }).heldAtEnd).toBe(PINGS)
    const { sent, tally } = run({ reorder: 0.5 })
    expect(tally.reordered).toBeGreaterThan(PINGS * 0.4)
    const farthest = Math.max(...sent.map((line, index) => Math.abs(Number(line.text) - index)))
    expect(farthest).toBeGreaterThan(10)
    expect(farthest).toBeLessThan(400)
  })

  test('a list of faults is read with and without shares', () => {
    expect(parseFaults('drop=0.5,late')).toEqual({ drop: 0.5, late: FAULT_SHARES.late })
    expect(parseFaults('')).toEqual({})
    expect(() => parseFaults('dorp')).toThrow('unknown fault "dorp"')
    expect(() => parseFaults('drop=2')).toThrow('not a number from 0 to 1')
  })
})
