/// A process of its own for tests: writes batches to a local table and says which are stored, until it is killed.
import { silentLog } from '../../actors/kernel/telemetry.ts'
import { localIcebergSink } from './local-sink.ts'
import { TABLE_POLICY } from './sink.ts'
import { batchFor } from './testing.ts'

const policy = {
  ...TABLE_POLICY,
  manifestsMax: 4,
  snapshotsMin: 3,
  snapshotsMax: 6,
  snapshotAgeMsMin: 1,
  graceMs: 0,
}
const [warehouse = '', step = '7'] = process.argv.slice(2)
const sink = localIcebergSink({ warehouse, policy }, silentLog)
const { signal } = new AbortController()
let stored = await sink.open(0, signal)
for (;;) {
  const last = stored + Number(step)
  await sink.write(batchFor(stored + 1, last), signal)
  stored = last
  process.send?.(stored)
}
