import { hydrateAll, type Load, loose } from './hydrate.ts'
import type { LiveIsland } from './island.tsx'
import { startBeat } from './stores/beat.ts'
import { keepKeys } from './stores/keys.ts'
import { startLive } from './stores/live.ts'
import { keepSheet } from './stores/sheet.ts'
import { keepTheme } from './stores/theme.ts'
import { keepTrail } from './stores/trail.ts'
import { keepAddress } from './stores/view.ts'

const panel = () => import('./islands/panel.ts')

const ISLANDS: Readonly<Record<LiveIsland, Load>> = {
  'top-bar': async () => loose((await panel()).TopBar),
  'kpi-bar': async () => loose((await panel()).KpiBar),
  'session-table': async () => loose((await panel()).SessionTable),
  'live-map': async () => loose((await import('./islands/live-map.tsx')).LiveMap),
  'session-card': async () => loose((await panel()).SessionCard),
  ticker: async () => loose((await panel()).Ticker),
  notice: async () => loose((await panel()).Notice),
  help: async () => loose((await panel()).Help),
}

await hydrateAll(ISLANDS)
keepTheme()
keepAddress()
keepKeys()
keepTrail()
keepSheet()
startBeat()
startLive()
