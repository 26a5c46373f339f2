/// A process of its own for tests: writes batches to a table and says which are stored, until it is killed.
import { silentLog } from '../../actors/kernel/telemetry.ts'
import { TABLE_POLICY } from './sink.ts'
import { batchFor } from './testing.ts'
import { icebergSink, type Warehouse } from './warehouse.ts'

const policy = {
  ...TABLE_POLICY,
  manifestsMax: 4,
  snapshotsMin: 3,
  snapshotsMax: 6,
  snapshotAgeMsMin: 1,
  graceMs: 0,
}
// A folder, or a warehouse as JSON.
const [where = '', step = '7'] = process.argv.slice(2)
const warehouse = where.startsWith('{') ? (JSON.parse(where) as Warehouse) : where
const sink = await icebergSink({ warehouse, policy }, silentLog)
const { signal } = new AbortController()
let stored = await sink.open(0, signal)
for (;;) {
  const last = stored + Number(step)
  await sink.write(batchFor(stored + 1, last), signal)
  stored = last
  process.send?.(stored)
}
