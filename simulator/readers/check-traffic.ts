import type { Clock } from '../../actors/kernel/clock.ts'
import { silentLog } from '../../actors/kernel/telemetry.ts'
import type { S3Warehouse } from '../../sinks/iceberg/s3-sink.ts'
import { batchFor } from '../../sinks/iceberg/testing.ts'
import { WorkerIcebergSink } from '../../sinks/iceberg/worker-sink.ts'

const PARTITIONS = [0, 1, 2] as const
const BATCH_MS = 250

/** Pings that are written into a lake, on and on. */
export type CheckTraffic = AsyncDisposable & Readonly<{ acknowledged(): number }>

/** Writes pings of three partitions in turn, a batch each quarter of a second, until disposed of. One batch is there at once. */
export async function startTraffic(
  warehouse: S3Warehouse,
  ratePerS: number,
  clock: Clock,
): Promise<CheckTraffic> {
  const sink = new WorkerIcebergSink({ warehouse, clock, log: silentLog })
  const ending = new AbortController()
  const next = PARTITIONS.map(() => 0)
  const rows = Math.max(1, Math.round((ratePerS * BATCH_MS) / 1_000))
  let acknowledged = 0
  let turn = 0
  for (const partition of PARTITIONS) await sink.open(partition, ending.signal)
  const write = async (): Promise<void> => {
    const partition = PARTITIONS[turn++ % PARTITIONS.length] ?? 0
    const first = next[partition] ?? 0
    await sink.write(batchFor(first, first + rows - 1, partition), new AbortController().signal)
    next[partition] = first + rows
    acknowledged += rows
  }
  await write()
  const writing = (async () => {
    let dueMs = clock.monotonicMs()
    while (!ending.signal.aborted) {
      await write()
      dueMs = Math.max(dueMs + BATCH_MS, clock.monotonicMs())
      await until(clock, dueMs, ending.signal)
    }
  })()
  // Whoever reads learns of it at the end.
  writing.catch(() => {})
  return {
    acknowledged: () => acknowledged,
    async [Symbol.asyncDispose]() {
      ending.abort()
      try {
        await writing
      } finally {
        await sink.close()
      }
    },
  }
}

function until(clock: Clock, dueMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const cancel = clock.after(Math.max(0, dueMs - clock.monotonicMs()), resolve)
    signal.addEventListener('abort', () => (cancel(), resolve()), { once: true })
  })
}
