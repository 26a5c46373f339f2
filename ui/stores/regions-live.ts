import { effect, signal } from '@preact/signals'

import type { RegionsDelta, RegionsSnapshot } from '../../actors/model/live-regions.ts'
import { WINDOW_NAMES } from '../../actors/model/window.ts'
import type { DeliveryFigures } from './region-figures.ts'
import { metricOf } from './region-metrics.ts'
import { fetchDeliveries, fetchRegionMap, type RegionShapes } from './regions-api.ts'
import { metricId, size } from './regions-view.ts'
import { Regions } from './regions.ts'
import { browserWorld, keepOpen } from './stream-world.ts'
import { LiveStream, parseEventId } from './stream.ts'

const PATH = '/live/regions'
const DELIVERIES_EVERY_MS = 10_000
const MAP_AGAIN_MS = 5_000
/** Where no trip comes there is nothing to say; a line that is cut is noticed at once anyway. */
const RENEW_AFTER_MS = 45_000
const STALE_AFTER_MS = 60_000

/** The page's regions. */
export const regions = new Regions()

/** Their ground; null until it came. */
export const shapes = signal<RegionShapes | null>(null)
/** Why there is no map, or nothing. */
export const mapTrouble = signal('')

/** Figures of deliveries; null until they came. */
export const deliveries = signal<ReadonlyMap<number, DeliveryFigures> | null>(null)
export const deliveriesTrouble = signal('')

/** The page's line to the server. */
export const stream = new LiveStream({
  path: PATH,
  world: browserWorld(PATH, ['snapshot', 'delta']),
  lastEventId: () => regions.lastEventId,
  receive,
  staleAfterMs: STALE_AFTER_MS,
  renewAfterMs: RENEW_AFTER_MS,
})

/** Opens the line and asks for the rest, once for the page. */
export function startRegions(): void {
  keepOpen(stream)
  void loadMap()
  keepDeliveries()
}

function receive(event: 'snapshot' | 'delta', id: string, text: string): boolean {
  const at = parseEventId(id)
  if (!at) return false
  // Our own server's words: their shape is checked there, by type.
  const message: unknown = JSON.parse(text)
  if (event === 'snapshot') {
    regions.applySnapshot(at.epoch, at.seq, message as RegionsSnapshot)
    return true
  }
  const applied = regions.applyDelta(at.epoch, at.seq, message as RegionsDelta)
  return applied === 'applied' || applied === 'repeat'
}

async function loadMap(): Promise<void> {
  const answer = await fetchRegionMap()
  mapTrouble.value = answer.ok ? '' : answer.message
  if (answer.ok) shapes.value = answer.value
  else if (answer.why === 'failed') setTimeout(() => void loadMap(), MAP_AGAIN_MS)
}

/** Asks for deliveries while one of their metrics is chosen and somebody looks. */
function keepDeliveries(): void {
  effect(() => {
    const name = size.value
    if (metricOf(metricId.value).group !== 'deliveries') return undefined
    let wanted = true
    const load = async (): Promise<void> => {
      if (document.visibilityState !== 'visible') return
      const answer = await fetchDeliveries(name, WINDOW_NAMES[name])
      if (!wanted) return
      deliveriesTrouble.value = answer.ok ? '' : answer.message
      if (answer.ok) deliveries.value = new Map(answer.value.map((one) => [one.regionId, one]))
    }
    void load()
    const timer = setInterval(() => void load(), DELIVERIES_EVERY_MS)
    return () => {
      wanted = false
      clearInterval(timer)
    }
  })
}
