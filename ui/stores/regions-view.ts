import { computed, effect, signal } from '@preact/signals'

import { WINDOW_NAMES, type WindowName } from '../../actors/model/window.ts'
import { type MetricId, metricOf, METRICS } from './region-metrics.ts'
import { formatRegionsLink, parseRegionsLink, VIEW_FIRST } from './regions-link.ts'

/** What the reader looks at; all islands of the regions page share it. */
export const metricId = signal<MetricId>(VIEW_FIRST.metric)
export const size = signal<WindowName>(VIEW_FIRST.size)
/** The chosen region; without one the timeline shows the busiest. */
export const chosen = signal<number | null>(null)
export const regionQuery = signal('')
/** Start of the window that is looked at; null follows the newest. */
export const pinnedMs = signal<number | null>(null)
/** The region under the pointer, on the map or in the ranking. */
export const hovered = signal<number | null>(null)
/** Screens that the timeline is moved into the past. */
export const back = signal(0)

export const metric = computed(() => metricOf(metricId.value))
export const sizeS = computed(() => WINDOW_NAMES[size.value])

/** Chooses a region, or none. */
export function choose(regionId: number | null): void {
  if (chosen.value !== regionId) back.value = 0
  chosen.value = regionId
}

/** Changes the size of windows; a moment of another size means nothing then. */
export function changeSize(to: WindowName): void {
  if (to === size.value) return
  size.value = to
  pinnedMs.value = null
  back.value = 0
}

/** The next metric, or the one before. */
export function stepMetric(by: number): void {
  const at = METRICS.findIndex(({ id }) => id === metricId.value)
  const next = METRICS[(at + by + METRICS.length) % METRICS.length]
  if (next) metricId.value = next.id
}

/** Takes the view from the page's address, then keeps the address to the view. */
export function keepRegionsAddress(): void {
  const read = (): void => {
    const view = parseRegionsLink(location.hash)
    metricId.value = view.metric
    size.value = view.size
    chosen.value = view.regionId
    regionQuery.value = view.query
    pinnedMs.value = view.atMs
  }
  read()
  addEventListener('hashchange', read)
  let timer: ReturnType<typeof setTimeout> | undefined
  effect(() => {
    const link = formatRegionsLink({
      metric: metricId.value,
      size: size.value,
      regionId: chosen.value,
      query: regionQuery.value,
      atMs: pinnedMs.value,
    })
    clearTimeout(timer)
    // Browsers allow about a hundred changes of the address in half a minute.
    timer = setTimeout(() => {
      if (link !== location.hash) history.replaceState(null, '', link || location.pathname)
    }, 350)
  })
}
