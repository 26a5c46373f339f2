import { systemClock } from '../../actors/kernel/clock.ts'
import type { Log } from '../../actors/kernel/telemetry.ts'
import type { BatchLimits } from '../sink.ts'
import { bronzeLocation } from './bronze-table.ts'
import { FolderCatalog } from './folder-catalog.ts'
import { fileUri, LocalStorage } from './local-storage.ts'
import { systemRandom } from './names.ts'
import { IcebergSink, type TablePolicy } from './sink.ts'
import type { BronzeTable } from './table-schema.ts'

/** A warehouse in a local folder, and which bronze table in it is written, pings unless told, and how. */
export type LocalWarehouse<Kind extends BronzeTable = 'pings'> = Readonly<{
  table?: Kind
  /** Absolute path of the folder, without symbolic links: it becomes part of the table's metadata. */
  warehouse: string
  limits?: BatchLimits
  policy?: TablePolicy
}>

/** The sink over a local folder on the system's clock. It waits for its disk: keep it off the event loop. */
export function localIcebergSink<Kind extends BronzeTable = 'pings'>(
  settings: LocalWarehouse<Kind>,
  log: Log,
): IcebergSink<Kind> {
  const storage = new LocalStorage(systemRandom)
  const location = bronzeLocation(fileUri(settings.warehouse), settings.table)
  const catalog = new FolderCatalog({ location, storage, clock: systemClock, log })
  return new IcebergSink<Kind>({
    storage,
    catalog,
    location,
    clock: systemClock,
    random: systemRandom,
    log,
    ...(settings.table ? { table: settings.table } : {}),
    ...(settings.limits ? { limits: settings.limits } : {}),
    ...(settings.policy ? { policy: settings.policy } : {}),
  })
}
