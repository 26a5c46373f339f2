import { isLate, lateForSure, lateShare } from './region-figures.ts'
import type { Metric, RegionFigures } from './region-metrics.ts'

/** A line of the ranking. */
export type Ranked = Readonly<{
  figures: RegionFigures
  /** 1 for the first; the same for the same value. */
  rank: number
  value: number | null
  /** Its bar, 0 to 1. */
  part: number
  late: boolean
}>

/** Regions by a metric, highest first; those with nothing to say last, by id. */
export function rankBy(metric: Metric, regions: readonly RegionFigures[]): readonly Ranked[] {
  const valued = regions.map((figures) => ({ figures, value: metric.value(figures) }))
  valued.sort(
    (one, other) =>
      (other.value ?? -Infinity) - (one.value ?? -Infinity) ||
      one.figures.regionId - other.figures.regionId,
  )
  const highest = valued[0]?.value ?? 0
  let rank = 0
  let before: number | null = null
  return valued.map(({ figures, value }, index) => {
    if (index === 0 || value !== before) rank = index + 1
    before = value
    return {
      figures,
      rank,
      value,
      part: value === null || highest <= 0 ? 0 : Math.max(0, value / highest),
      late: figures.totals !== null && isLate(figures.totals),
    }
  })
}

/** What a dispatcher wants to know first. */
export type Headline = Readonly<{
  busiest: Readonly<{ regionId: number; trips: number }> | null
  /** The one with the highest late share that is sure, if it is worth a word. */
  latest: Readonly<{ regionId: number; percent: number; late: number }> | null
  /** Others beside it that are late as well. */
  lateBeside: number
}>

/** Which region is busy, and which is late. */
export function headlineOf(regions: readonly RegionFigures[]): Headline {
  let busiest: Headline['busiest'] = null
  let latest: Headline['latest'] = null
  let surest = 0
  let lateCount = 0
  for (const { regionId, window, totals } of regions) {
    if (window && window.tripCount > (busiest?.trips ?? 0)) {
      busiest = { regionId, trips: window.tripCount }
    }
    if (!totals || !isLate(totals)) continue
    lateCount += 1
    if (lateForSure(totals) <= surest) continue
    surest = lateForSure(totals)
    latest = { regionId, percent: lateShare(totals) * 100, late: totals.late }
  }
  return { busiest, latest, lateBeside: Math.max(0, lateCount - 1) }
}

/** The regions whose name or number fits what was typed. */
export function searchRegions(
  all: readonly Ranked[],
  query: string,
  nameOf: (regionId: number) => string,
): readonly Ranked[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean)
  if (words.length === 0) return all
  return all.filter(({ figures: { regionId } }) => {
    const name = nameOf(regionId).toLowerCase()
    return words.every((word) =>
      /^#?\d+$/.test(word) ? Number(word.replace('#', '')) === regionId : name.includes(word),
    )
  })
}
