import { parquetReadObjects } from 'hyparquet'

import { OrreryError } from '../../actors/kernel/errors.ts'
import { decodeManifestList } from '../../sinks/iceberg/manifest-list.ts'
import { livePaths } from '../../sinks/iceberg/manifest.ts'
import type { S3Table } from '../../sinks/iceberg/s3-sink.ts'
import type { PartitionSeen } from './readers.ts'

/** Partitions of a snapshot as we know them: from our own metadata, and the files that it names. */
export async function ownPartitions(
  table: S3Table,
  snapshot: string,
): Promise<readonly PartitionSeen[]> {
  const current = await table.catalog.load(null)
  const found = current?.metadata.snapshots.find((each) => String(each['snapshot-id']) === snapshot)
  if (!found) throw new OrreryError('no_snapshot', `snapshot ${snapshot} is not in the table`)
  const offsets = new Map<number, bigint[]>()
  for (const { path } of decodeManifestList(await table.storage.read(found['manifest-list']))) {
    for (const file of livePaths(await table.storage.read(path))) {
      await addNames(offsets, await table.storage.read(file))
    }
  }
  return [...offsets].map(partitionSeen).sort((a, b) => a.partition - b.partition)
}

async function addNames(offsets: Map<number, bigint[]>, bytes: Uint8Array): Promise<void> {
  const compressors = { ZSTD: (input: Uint8Array) => Bun.zstdDecompressSync(input) }
  const columns = ['partition', 'offset']
  const rows = await parquetReadObjects({ file: bytes.slice().buffer, compressors, columns })
  for (const row of rows) {
    const partition = Number(row['partition'])
    const known = offsets.get(partition)
    const offset = BigInt(row['offset'])
    if (known) known.push(offset)
    else offsets.set(partition, [offset])
  }
}

function partitionSeen([partition, offsets]: readonly [number, readonly bigint[]]): PartitionSeen {
  let [offsetMin, offsetMax] = [Infinity, -Infinity]
  let sum = 0n
  for (const offset of offsets) {
    sum += offset
    offsetMin = Math.min(offsetMin, Number(offset))
    offsetMax = Math.max(offsetMax, Number(offset))
  }
  const distinct = new Set(offsets).size
  return { partition, rows: offsets.length, distinct, offsetMin, offsetMax, offsetSum: String(sum) }
}
