import type { RegionTotals, RegionWindow } from '../../actors/model/window.ts'
import { count, figure } from './format.ts'
import { type DeliveryFigures, lateShare } from './region-figures.ts'

/** What one region has at one moment. */
export type RegionFigures = Readonly<{
  regionId: number
  window: RegionWindow | null
  totals: RegionTotals | null
  deliveries: DeliveryFigures | null
}>

/** A figure that regions can be compared by. */
export type Metric = Readonly<{
  id: string
  label: string
  group: 'trips' | 'deliveries'
  unit: string
  /** Of the unit when the value is one. */
  unitOne?: string
  tone: 'mint' | 'sky' | 'brass'
  /** Counts and sums begin at nothing; a mean is compared within its own range. */
  from: 'zero' | 'lowest'
  /** Null where there is nothing to say. */
  value(of: RegionFigures): number | null
  text(value: number): string
}>

const whole = (value: number): string => count(value)
const money = (value: number): string =>
  value === 0 ? '0' : value >= 1_000 ? count(value) : value.toFixed(value >= 100 ? 1 : 2)
const minutes = (value: number): string => figure(value / 60)

/** All metrics, in the order of the choice. */
export const METRICS = [
  {
    id: 'trips',
    label: 'Trips',
    group: 'trips',
    unit: 'trips',
    unitOne: 'trip',
    tone: 'mint',
    from: 'zero',
    value: ({ window }) => window?.tripCount ?? null,
    text: whole,
  },
  {
    id: 'avg_fare',
    label: 'Average fare',
    group: 'trips',
    unit: 'USD',
    tone: 'mint',
    from: 'lowest',
    value: ({ window }) => window?.avgFare ?? null,
    text: money,
  },
  {
    id: 'total_fare',
    label: 'Total fare',
    group: 'trips',
    unit: 'USD',
    tone: 'mint',
    from: 'zero',
    value: ({ window }) => window?.totalFare ?? null,
    text: money,
  },
  {
    id: 'distance',
    label: 'Distance',
    group: 'trips',
    unit: 'km',
    tone: 'mint',
    from: 'zero',
    value: ({ window }) => window?.totalDistance ?? null,
    text: figure,
  },
  {
    id: 'avg_duration',
    label: 'Mean duration',
    group: 'trips',
    unit: 'min',
    tone: 'mint',
    from: 'lowest',
    value: ({ window }) => window?.avgDuration ?? null,
    text: minutes,
  },
  {
    id: 'p95_duration',
    label: 'p95 duration',
    group: 'trips',
    unit: 'min',
    tone: 'mint',
    from: 'lowest',
    value: ({ window }) => window?.p95Duration ?? null,
    text: minutes,
  },
  {
    id: 'late',
    label: 'Late share',
    group: 'trips',
    unit: '%',
    tone: 'brass',
    from: 'zero',
    value: ({ totals }) => (totals && totals.trips > 0 ? lateShare(totals) * 100 : null),
    text: percentText,
  },
  {
    id: 'active',
    label: 'Active deliveries',
    group: 'deliveries',
    unit: 'active',
    tone: 'sky',
    from: 'zero',
    value: ({ deliveries }) => deliveries?.active ?? null,
    text: whole,
  },
  {
    id: 'completed',
    label: 'Completed deliveries',
    group: 'deliveries',
    unit: 'completed',
    tone: 'sky',
    from: 'zero',
    value: ({ deliveries }) => deliveries?.completed ?? null,
    text: whole,
  },
  {
    id: 'speed',
    label: 'Mean speed',
    group: 'deliveries',
    unit: 'km/h',
    tone: 'sky',
    from: 'lowest',
    value: ({ deliveries }) => deliveries?.meanSpeedKmh ?? null,
    text: (value) => value.toFixed(value < 10 ? 1 : 0),
  },
] as const satisfies readonly Metric[]

export type MetricId = (typeof METRICS)[number]['id']

/** The metric of an id. */
export function metricOf(id: MetricId): Metric {
  return METRICS.find((metric) => metric.id === id) ?? METRICS[0]
}

/** A value with its unit: `41 trips`, `12 %`. */
export function withUnit(metric: Metric, value: number): string {
  return `${metric.text(value)} ${unitFor(metric, value)}`
}

/** A value where there is little room: `16k` for 16,427. */
export function shortText(metric: Metric, value: number): string {
  const text = metric.text(value)
  if (text.length < 5 || value < 1_000 || !text.includes(',')) return text
  return `${(value / 1_000).toFixed(value < 10_000 ? 1 : 0)}k`
}

/** The unit of a value, in the singular where it is one. */
export function unitFor(metric: Metric, value: number): string {
  return value === 1 ? (metric.unitOne ?? metric.unit) : metric.unit
}

/** A share of a hundred, in as few digits as tell it from nothing. */
export function percentText(percent: number): string {
  if (percent <= 0) return '0'
  if (percent < 0.1) return '<0.1'
  return percent < 10 ? `${+percent.toFixed(1)}` : percent.toFixed(0)
}
