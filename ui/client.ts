import { type ComponentType, h, hydrate } from 'preact'

import type { IslandName } from './island.tsx'
import { startBeat } from './stores/beat.ts'
import { keepKeys } from './stores/keys.ts'
import { startLive } from './stores/live.ts'
import { keepSheet } from './stores/sheet.ts'
import { keepTheme } from './stores/theme.ts'
import { keepTrail } from './stores/trail.ts'
import { keepAddress } from './stores/view.ts'

type Load = () => Promise<ComponentType<Record<string, unknown>>>

const panel = () => import('./islands/panel.ts')

const ISLANDS: Readonly<Record<IslandName, Load>> = {
  'top-bar': async () => loose((await panel()).TopBar),
  'kpi-bar': async () => loose((await panel()).KpiBar),
  'session-table': async () => loose((await panel()).SessionTable),
  'live-map': async () => loose((await import('./islands/live-map.tsx')).LiveMap),
  'session-card': async () => loose((await panel()).SessionCard),
  ticker: async () => loose((await panel()).Ticker),
  notice: async () => loose((await panel()).Notice),
  help: async () => loose((await panel()).Help),
}

/** Props come from the page's own JSON: each island knows what it was given. */
function loose<Props>(
  component: (props: Props) => unknown,
): ComponentType<Record<string, unknown>> {
  return component as unknown as ComponentType<Record<string, unknown>>
}

// Islands come alive as the server wrote them; only then does anything change under them.
const markers = [...document.querySelectorAll<HTMLElement>('[data-island]')]
await Promise.all(
  markers.map(async (marker) => {
    const { island = '', props = '{}' } = marker.dataset
    const component = await ISLANDS[island as IslandName]()
    hydrate(h(component, JSON.parse(props)), marker)
  }),
)
keepTheme()
keepAddress()
keepKeys()
keepTrail()
keepSheet()
startBeat()
startLive()
