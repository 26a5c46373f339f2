import { systemClock } from '../../actors/kernel/clock.ts'
import type { Log } from '../../actors/kernel/telemetry.ts'
import type { BatchLimits } from '../sink.ts'
import { bronzeLocation } from './bronze-table.ts'
import { FolderCatalog } from './folder-catalog.ts'
import { fileUri, LocalStorage } from './local-storage.ts'
import { systemRandom } from './names.ts'
import { IcebergSink, type TablePolicy } from './sink.ts'

/** A warehouse in a local folder, and how the bronze table in it is written. */
export type LocalWarehouse = Readonly<{
  /** Absolute path of the folder, without symbolic links: it becomes part of the table's metadata. */
  warehouse: string
  limits?: BatchLimits
  policy?: TablePolicy
}>

/** The sink over a local folder on the system's clock. It waits for its disk: keep it off the event loop. */
export function localIcebergSink(settings: LocalWarehouse, log: Log): IcebergSink {
  const storage = new LocalStorage(systemRandom)
  const location = bronzeLocation(fileUri(settings.warehouse))
  const catalog = new FolderCatalog({ location, storage, clock: systemClock, log })
  return new IcebergSink({
    storage,
    catalog,
    location,
    clock: systemClock,
    random: systemRandom,
    log,
    ...(settings.limits ? { limits: settings.limits } : {}),
    ...(settings.policy ? { policy: settings.policy } : {}),
  })
}
