import { expect, test } from 'bun:test'

import { systemClock, VirtualClock } from './clock.ts'
import { describeJournal, entryOf } from './journal-conformance.ts'
import type { AppendOutcome } from './journal.ts'
import { MemoryJournal } from './memory-journal.ts'

describeJournal('memory journal', async () => ({
  open: async (limits) => new MemoryJournal({ partition: 0, clock: systemClock, ...limits }),
  reopen: null,
  dispose: async () => {},
}))

test('a memory journal in trouble fails what waits and refuses what comes', async () => {
  const clock = new VirtualClock()
  const journal = new MemoryJournal({ partition: 0, clock })
  const outcomes: AppendOutcome[] = []
  journal.append(entryOf('waits'), (outcome) => outcomes.push(outcome))
  journal.trouble = 'full'
  expect(journal.append(entryOf('comes'), () => expect.unreachable())).toBe(false)
  await clock.advanceMs(1)
  expect(outcomes).toEqual([{ ok: false, reason: 'full', message: 'the journal is full' }])
  journal.trouble = null
  expect(journal.append(entryOf('again'), (outcome) => outcomes.push(outcome))).toBe(true)
  await clock.advanceMs(1)
  expect(outcomes[1]).toEqual({ ok: true, offset: 0 })
})
