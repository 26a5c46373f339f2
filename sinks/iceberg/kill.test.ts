import { expect, test } from 'bun:test'
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { systemClock } from '../../actors/kernel/clock.ts'
import { bronzeLocation } from './bronze-table.ts'
import { fileUri, LocalStorage } from './local-storage.ts'
import { systemRandom } from './names.ts'
import { rowsIn } from './testing.ts'

/** Runs a writer and kills it some time after it has stored so many batches; the last offset it told of. */
async function writeAndKill(warehouse: string, step: number, batches: number): Promise<number> {
  const script = new URL('./kill-child.ts', import.meta.url).pathname
  let told = -1
  let count = 0
  const child = Bun.spawn([process.execPath, script, warehouse, String(step)], {
    ipc: (offset: number) => {
      told = offset
      // Its next append is under way by then, somewhere between its steps.
      if (++count === batches) child.kill('SIGKILL')
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  await child.exited
  return told
}

test('killed with -9 again and again, a writer on a local disk stores each ping once', async () => {
  const warehouse = realpathSync(mkdtempSync(join(tmpdir(), 'orrery-kill-')))
  try {
    let told = -1
    for (let round = 0; round < 8; round++) {
      told = Math.max(told, await writeAndKill(warehouse, 5 + round, 3 + round))
    }
    const location = bronzeLocation(fileUri(warehouse))
    const rows = await rowsIn(new LocalStorage(systemRandom), systemClock, location)
    const offsets = rows.map((row) => Number(row['offset'])).sort((a, b) => a - b)
    expect(told).toBeGreaterThan(100)
    expect(offsets.length).toBeGreaterThan(told)
    expect(offsets).toEqual(Array.from(offsets.keys()))
  } finally {
    rmSync(warehouse, { recursive: true, force: true })
  }
}, 60_000)
