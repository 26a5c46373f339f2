import { describe, expect, test } from 'bun:test'

import { seededRandom } from '../actors/kernel/clock.ts'
import { Outbox } from './outbox.ts'

const line = (text: string) => ({ text, copy: false })
const limits = { framePings: 2, framesInFlightMax: 2, linesMax: 100 }

function filled(lines: number, options = limits): Outbox {
  const outbox = new Outbox(options)
  for (let index = 0; index < lines; index++) outbox.offer(line(`${index}`), 0)
  return outbox
}

describe('an outbox', () => {
  test('fills frames and lets only so many fly', () => {
    const outbox = filled(7)
    expect([outbox.take(0)?.body, outbox.take(0)?.body, outbox.take(0)]).toEqual([
      '0\n1',
      '2\n3',
      null,
    ])
    outbox.settle()
    expect(outbox.take(0)?.body).toBe('4\n5')
    expect(outbox.lines).toBe(5)
  })

  test('a frame that does not fill goes out when it is old enough', () => {
    const outbox = filled(1)
    outbox.closeOlderThan(250, 249)
    expect(outbox.take(0)).toBeNull()
    outbox.closeOlderThan(250, 250)
    expect(outbox.take(0)?.body).toBe('0')
  })

  test('a cut puts frames in flight back in order, marked as sent', () => {
    const outbox = filled(6)
    outbox.take(0)
    outbox.take(0)
    outbox.rewind()
    const again = [outbox.take(0), outbox.take(0)]
    expect(again.map((frame) => frame?.body)).toEqual(['0\n1', '2\n3'])
    expect(again.every((frame) => frame?.sentBefore)).toBe(true)
  })

  test('frames that were not taken wait in their own place', () => {
    const outbox = filled(8)
    outbox.take(0)
    outbox.take(0)
    outbox.sendAgain()
    outbox.sendAgain()
    const bodies = [outbox.take(0)?.body, outbox.take(0)?.body]
    outbox.settle()
    outbox.settle()
    expect([...bodies, outbox.take(0)?.body]).toEqual(['0\n1', '2\n3', '4\n5'])
  })

  test('has no room beyond its bound', () => {
    const outbox = filled(3, { ...limits, linesMax: 3 })
    expect(outbox.offer(line('more'), 0)).toBe(false)
    expect(outbox.lines).toBe(3)
  })

  test('loses nothing and repeats nothing over any run of cuts, refusals and replies', () => {
    for (let seed = 0; seed < 50; seed++) {
      const random = seededRandom(seed)
      const outbox = new Outbox({ framePings: 3, framesInFlightMax: 4, linesMax: 10_000 })
      const settled: string[] = []
      let offered = 0
      for (let step = 0; step < 3_000; step++) {
        const dice = random()
        if (dice < 0.5) outbox.offer(line(`${offered++}`), step)
        else if (dice < 0.7) outbox.take(step)
        else if (dice < 0.72) outbox.rewind()
        else if (dice < 0.76) outbox.sendAgain()
        else if (outbox.oldest) {
          settled.push(...outbox.oldest.lines.map((one) => one.text))
          outbox.settle()
        }
        expect(outbox.lines + settled.length).toBe(offered)
        if (step % 500 === 0) expect(outbox.originals).toBe(outbox.lines)
      }
      expect(new Set(settled).size).toBe(settled.length)
    }
  })
})
