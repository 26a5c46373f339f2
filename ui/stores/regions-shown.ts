import { computed } from '@preact/signals'

import { scaleOver } from './colour-scale.ts'
import { headlineOf, rankBy, searchRegions } from './ranking.ts'
import { momentOf, sumTotals } from './region-figures.ts'
import type { RegionFigures } from './region-metrics.ts'
import { deliveries, regions, shapes } from './regions-live.ts'
import { back, chosen, metric, pinnedMs, regionQuery, sizeS } from './regions-view.ts'
import { SLOTS } from './timeline.ts'

/** Start of the newest window that says something; null before the first trip. */
export const newestMs = computed((): number | null => {
  regions.revision.value
  return momentOf(regions.allOf(sizeS.value))
})

/** Start of the window that map and ranking show. */
export const momentMs = computed(() => pinnedMs.value ?? newestMs.value)

const names = computed(
  () =>
    new Map(
      (shapes.value?.features ?? []).map(({ properties }) => [
        properties.region_id,
        properties.name ?? '',
      ]),
    ),
)

/** A region's name, or its number. */
export function nameOf(regionId: number): string {
  return names.value.get(regionId) || `Region ${regionId}`
}

/** Every region that there is anything to say of, at the shown moment. */
export const figures = computed((): readonly RegionFigures[] => {
  regions.revision.value
  const atMs = momentMs.value
  const size = sizeS.value
  const byDeliveries = metric.value.group === 'deliveries' ? deliveries.value : null
  const ids = new Set([
    ...regions.totals.map(({ regionId }) => regionId),
    ...(byDeliveries?.keys() ?? []),
  ])
  return [...ids].map((regionId) => ({
    regionId,
    window: regions.windows(regionId, size).find(({ startMs }) => startMs === atMs) ?? null,
    totals: regions.totalsOf(regionId),
    deliveries: byDeliveries?.get(regionId) ?? null,
  }))
})

export const ranked = computed(() => rankBy(metric.value, figures.value))
export const listed = computed(() => searchRegions(ranked.value, regionQuery.value, nameOf))
export const headline = computed(() => headlineOf(figures.value))

export const scale = computed(() =>
  scaleOver(
    ranked.value.flatMap(({ value }) => (value === null ? [] : [value])),
    metric.value.from,
  ),
)

export const sums = computed(() => {
  regions.revision.value
  return sumTotals(regions.totals)
})

/** True when the shown windows may still change. */
export const provisional = computed(() =>
  figures.value.some(({ window }) => window !== null && !window.final),
)

/** The region of the timeline: the chosen one, else the first of the ranking. */
export const timelineOf = computed(() => chosen.value ?? ranked.value[0]?.figures.regionId ?? null)

/** Start of the last window on the timeline. */
export const timelineEndMs = computed((): number | null => {
  regions.revision.value
  const size = sizeS.value
  const last = regions.totals.reduce((newest, { regionId }) => {
    const windows = regions.windows(regionId, size)
    return Math.max(newest, windows[windows.length - 1]?.startMs ?? -Infinity)
  }, -Infinity)
  return Number.isFinite(last) ? last - back.value * SLOTS * size * 1_000 : null
})
