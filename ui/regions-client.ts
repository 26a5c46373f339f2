import { hydrateAll, type Load, loose } from './hydrate.ts'
import type { RegionsIsland } from './island.tsx'
import { startBeat } from './stores/beat.ts'
import { keepRegionsKeys } from './stores/regions-keys.ts'
import { startRegions } from './stores/regions-live.ts'
import { keepRegionsAddress } from './stores/regions-view.ts'
import { keepTheme } from './stores/theme.ts'

const parts = () => import('./islands/regions-parts.ts')

const ISLANDS: Readonly<Record<RegionsIsland, Load>> = {
  'regions-bar': async () => loose((await parts()).RegionsBar),
  'regions-headline': async () => loose((await parts()).RegionsHeadline),
  'regions-ranking': async () => loose((await parts()).RegionsRanking),
  'regions-map': async () => loose((await import('./islands/regions-map.tsx')).RegionsMap),
  'regions-timeline': async () => loose((await parts()).RegionsTimeline),
  'regions-notice': async () => loose((await parts()).RegionsNotice),
  'regions-help': async () => loose((await parts()).RegionsHelp),
}

await hydrateAll(ISLANDS)
keepTheme()
keepRegionsAddress()
keepRegionsKeys()
startBeat()
startRegions()
