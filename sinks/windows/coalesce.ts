import type { Fact, WindowsFact } from '../../actors/model/fact.ts'
import type { RegionTotals, RegionWindow } from '../../actors/model/window.ts'
import { windowKey } from './keys.ts'
import type { WindowsChange } from './store.ts'

/**
 * What the facts of a batch leave behind: the last of each window and region, and the watermark. Values
 * are absolute, so those before tell nothing, and what the store has already does no harm.
 */
export function coalesce(
  facts: Iterable<Fact>,
): Pick<WindowsChange, 'windows' | 'totals' | 'watermarkMs'> {
  const windows = new Map<number, Readonly<{ window: RegionWindow; offset: number }>>()
  const totals = new Map<number, Readonly<{ totals: RegionTotals; offset: number }>>()
  let newest: WindowsFact | null = null
  for (const fact of facts) {
    if (fact.kind !== 'windows') continue
    if (!newest || newest.offset <= fact.offset) newest = fact
    for (const window of fact.windows) {
      const key = windowKey(window.regionId, window.sizeS, window.startMs)
      if ((windows.get(key)?.offset ?? -1) <= fact.offset) {
        windows.set(key, { window, offset: fact.offset })
      }
    }
    if ((totals.get(fact.regionId)?.offset ?? -1) <= fact.offset) {
      totals.set(fact.regionId, { totals: fact.totals, offset: fact.offset })
    }
  }
  return {
    windows: [...windows.values()].map(({ window }) => window),
    totals: [...totals.values()].map((last) => last.totals),
    watermarkMs: newest?.watermarkMs ?? null,
  }
}
