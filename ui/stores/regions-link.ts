import { REGION_ID_MAX } from '../../actors/model/trip.ts'
import { WINDOW_NAMES, type WindowName } from '../../actors/model/window.ts'
import { type MetricId, METRICS } from './region-metrics.ts'

/** Everything of the regions page that its address holds. */
export type RegionsView = Readonly<{
  metric: MetricId
  size: WindowName
  regionId: number | null
  query: string
  /** Start of the window that is looked at; null for the newest. */
  atMs: number | null
}>

/** Sizes in the order of the switch. */
export const SIZES: readonly WindowName[] = ['1m', '5m', '15m', '1h']

export const VIEW_FIRST: RegionsView = {
  metric: 'trips',
  size: '5m',
  regionId: null,
  query: '',
  atMs: null,
}

/** Writes a view as the address' fragment; empty when there is nothing to say. */
export function formatRegionsLink(view: RegionsView): string {
  const parts: string[] = []
  if (view.metric !== VIEW_FIRST.metric) parts.push(`metric=${view.metric}`)
  if (view.size !== VIEW_FIRST.size) parts.push(`size=${view.size}`)
  if (view.regionId !== null) parts.push(`region=${view.regionId}`)
  if (view.query !== '') parts.push(`q=${encodeURIComponent(view.query)}`)
  if (view.atMs !== null) parts.push(`at=${view.atMs / 1_000}`)
  return parts.length === 0 ? '' : `#${parts.join('&')}`
}

/** Reads a fragment; what makes no sense is left out. */
export function parseRegionsLink(fragment: string): RegionsView {
  const values = new URLSearchParams(fragment.replace(/^#/, ''))
  const size = SIZES.find((name) => name === values.get('size')) ?? VIEW_FIRST.size
  const region = Number(values.get('region') ?? NaN)
  const at = Number(values.get('at') || NaN)
  return {
    metric: METRICS.find(({ id }) => id === values.get('metric'))?.id ?? VIEW_FIRST.metric,
    size,
    regionId: Number.isInteger(region) && region >= 1 && region <= REGION_ID_MAX ? region : null,
    query: (values.get('q') ?? '').slice(0, 100),
    atMs: Number.isSafeInteger(at) && at >= 0 && at % WINDOW_NAMES[size] === 0 ? at * 1_000 : null,
  }
}
