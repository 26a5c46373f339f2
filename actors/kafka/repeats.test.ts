import { describe, expect, test } from 'bun:test'

import { seededRandom } from '../kernel/clock.ts'
import { Repeats } from './repeats.ts'

/** A log in which senders repeat stretches of what they sent, as lost answers make them do. */
function logOf(seed: number, records: number): [string, number][] {
  const random = seededRandom(seed)
  const next = new Map<string, number>()
  const log: [string, number][] = []
  while (log.length < records) {
    const sender = `s${Math.floor(random() * 4)}`
    const from = next.get(sender) ?? 0
    const isAgain = random() < 0.3
    const start = isAgain ? Math.max(0, from - Math.ceil(random() * 5)) : from
    const until = start + 1 + Math.floor(random() * 5)
    for (let sequence = start; sequence < until; sequence++) log.push([sender, sequence])
    next.set(sender, Math.max(from, until))
  }
  return log
}

function kept(log: readonly [string, number][], repeats: Repeats, from = 0): number[] {
  return log
    .map((_, offset) => offset)
    .slice(from)
    .filter((offset) => {
      const [sender, sequence] = log[offset] ?? ['', 0]
      return !repeats.isRepeat(offset, { sender, sequence })
    })
}

describe('repeats', () => {
  test('each record is kept once, at its first place', () => {
    const log = logOf(1, 2_000)
    const first = new Map<string, number>()
    for (const [offset, record] of log.entries()) {
      const name = record.join(' ')
      if (!first.has(name)) first.set(name, offset)
    }
    expect(kept(log, new Repeats())).toEqual([...first.values()])
  })

  test('a restart anywhere above what was forgotten, with the note of any later moment, decides the same', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const log = logOf(seed, 300)
      const all = kept(log, new Repeats())
      const random = seededRandom(seed)
      const forgotten = Math.floor(random() * 100)
      const noted = forgotten + Math.floor(random() * 150)
      const from = forgotten + Math.floor(random() * (noted - forgotten + 1))
      const before = new Repeats()
      kept(log.slice(0, noted + 1), before)
      before.forget(forgotten)
      const after = new Repeats(before.note())
      expect(after.through).toBe(noted)
      expect(kept(log, after, from)).toEqual(all.filter((offset) => offset >= from))
    }
  })

  test('senders are bounded: who was silent for longest is forgotten, the others are not', () => {
    const repeats = new Repeats('', 3)
    const senders = ['a', 'b', 'c', 'a', 'd']
    for (const [offset, sender] of senders.entries()) {
      expect(repeats.isRepeat(offset, { sender, sequence: offset })).toBe(false)
    }
    expect(repeats.isRepeat(5, { sender: 'a', sequence: 3 })).toBe(true)
    expect(repeats.isRepeat(6, { sender: 'b', sequence: 1 })).toBe(false)
  })

  test('stretches are bounded: it is full, and has room when the stores are past them', () => {
    const repeats = new Repeats()
    const isFull = (): boolean => repeats.full
    for (let offset = 0; !isFull(); offset += 2) {
      repeats.isRepeat(offset, { sender: 'a', sequence: offset })
      repeats.isRepeat(offset + 1, { sender: 'a', sequence: offset })
      expect(offset).toBeLessThan(10_000)
    }
    repeats.forget(repeats.through)
    expect(isFull()).toBe(false)
  })

  test('a note that cannot be read is a typed error', () => {
    expect(() => new Repeats('!')).toThrow('cannot be read')
  })
})
