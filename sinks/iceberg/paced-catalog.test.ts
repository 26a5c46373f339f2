import { expect, test } from 'bun:test'

import { VirtualClock } from '../../actors/kernel/clock.ts'
import { silentLog } from '../../actors/kernel/telemetry.ts'
import { openBronze } from './bronze-table.ts'
import { emptyChange } from './catalog-conformance.ts'
import { FolderCatalog } from './folder-catalog.ts'
import { MemoryStorage } from './memory-storage.ts'
import { PacedCatalog } from './paced-catalog.ts'

test('who lost a commit waits before the next look, longer each time, and who won does not', async () => {
  const clock = new VirtualClock()
  const storage = new MemoryStorage(clock)
  const location = 'memory://lake/t'
  const folder = new FolderCatalog({ location, storage, clock, log: silentLog })
  const paced = new PacedCatalog(folder, { clock, random: () => 0.5 })
  const table = await openBronze(paced, { location, uuid: 'u' })
  const change = await emptyChange(table, { storage, id: 1, partition: 0, offset: 1 })
  expect((await paced.commit(table, change)).state).toBe('committed')
  for (const waitMs of [50, 100, 200, 400, 500, 500]) {
    let state = 'waiting'
    void paced.commit(table, change).then((outcome) => (state = outcome.state))
    await clock.advanceMs(waitMs - 1)
    expect(state).toBe('waiting')
    await clock.advanceMs(1)
    expect(state).toBe('conflict')
  }
  expect(clock.waiting).toBe(0)
})
