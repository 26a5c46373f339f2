import { systemClock } from '../actors/kernel/clock.ts'
import { systemDisk } from '../actors/kernel/disk.ts'
import { SegmentJournal } from '../actors/kernel/segment-journal.ts'
import { silentLog, Telemetry } from '../actors/kernel/telemetry.ts'
import { FrameSet } from './frames.ts'

const FRAME_PINGS = 50
const FRAME_HEADER_BYTES = 8

/** Fills a journal with frames as a server would have taken them; so many messages, all synced. */
export async function writeJournal(
  directory: string,
  records: number,
  vehicles: number,
): Promise<void> {
  const journal = await SegmentJournal.open({
    ...{ directory, partition: 0, clock: systemClock, disk: systemDisk },
    ...{ log: silentLog, telemetry: new Telemetry() },
  })
  const frames = new FrameSet({
    ...{ vehicles, framePings: FRAME_PINGS, run: crypto.randomUUID(), sessionPings: 300 },
  })
  let failure = ''
  for (let index = 0; index * FRAME_PINGS < records && failure === ''; index++) {
    while (journal.refusing === 'busy') await Bun.sleep(1)
    const receivedMs = Date.now()
    const payload = frames.next(index % frames.count, receivedMs).subarray(FRAME_HEADER_BYTES)
    const entry = { kind: 'pings', count: FRAME_PINGS, receivedMs, source: 'bench' } as const
    journal.append({ ...entry, payload }, (outcome) => {
      if (!outcome.ok) failure = outcome.message
    })
  }
  await journal.close()
  if (failure !== '') throw new Error(`the journal was not written: ${failure}`)
}
