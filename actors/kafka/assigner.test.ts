import { describe, expect, test } from 'bun:test'

import { seededRandom } from '../kernel/clock.ts'
import { type Assignment, assignSticky, type Member } from './assigner.ts'

const TOPICS = {
  sessions: Array.from({ length: 12 }, (_, n) => n),
  trips: Array.from({ length: 5 }, (_, n) => n),
}

function member(memberId: string, owned: Assignment = {}, generation = 1): Member {
  return { memberId, generation, owned }
}

function checkWhole(shares: Map<string, Assignment>): void {
  for (const [topic, partitions] of Object.entries(TOPICS)) {
    const given = [...shares.values()].map((share) => share[topic] ?? [])
    expect(given.flat().sort((a, b) => a - b)).toEqual(partitions)
    const sizes = given.map((share) => share.length)
    expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1)
  }
}

describe('partitions', () => {
  test('are all given, once and evenly, whoever comes and goes; and only those move that must', () => {
    const random = seededRandom(7)
    let members = [member('m0')]
    for (let round = 1; round < 100; round++) {
      const shares = assignSticky(members, TOPICS)
      checkWhole(shares)
      for (const topic of ['sessions', 'trips'] as const) {
        const size = TOPICS[topic].length
        const most = Math.ceil(size / members.length)
        for (const { memberId, owned } of members) {
          const before = owned[topic] ?? []
          const kept = (shares.get(memberId)?.[topic] ?? []).filter((one) => before.includes(one))
          const least = Math.floor(size / members.length)
          expect(kept.length).toBeGreaterThanOrEqual(Math.min(before.length, least))
          expect(kept.length).toBeLessThanOrEqual(most)
        }
      }
      members = members.map(({ memberId }) => member(memberId, shares.get(memberId), round))
      if (random() < 0.5 && members.length > 1)
        members.splice(Math.floor(random() * members.length), 1)
      else members.push(member(`m${round}`))
    }
  })

  test('nothing moves when nobody comes or goes', () => {
    const first = assignSticky([member('a'), member('b'), member('c')], TOPICS)
    const again = assignSticky(
      ['c', 'a', 'b'].map((id) => member(id, first.get(id))),
      TOPICS,
    )
    expect(again).toEqual(first)
  })

  test('of two that claim a partition the newer claim is the true one', () => {
    const all = { sessions: TOPICS.sessions }
    const shares = assignSticky([member('a', all, 3), member('b', all, 5)], all)
    expect(shares.get('b')?.sessions).toEqual([0, 1, 2, 3, 4, 5])
  })
})
