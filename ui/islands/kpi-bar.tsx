/** @jsxImportSource preact */
import type { LiveKpi } from '../../actors/model/live.ts'
import { clock, count, figure } from '../stores/format.ts'
import { kpi, kpiHistory } from '../stores/kpis.ts'
import { Throughput } from './throughput.tsx'

type Tile = Readonly<{
  label: string
  short: string
  tone: string
  unit: string
  value: (now: LiveKpi) => string
  series: (at: LiveKpi) => number
  note: (now: LiveKpi) => string
}>

const TILES: readonly Tile[] = [
  {
    label: 'Active sessions',
    short: 'Active',
    tone: 'mint',
    unit: '',
    value: (now) => count(now.activeSessions),
    series: (at) => at.activeSessions,
    note: (now) => `${count(now.completedToday)} delivered today`,
  },
  {
    label: 'Pings per second',
    short: 'Pings/s',
    tone: 'sky',
    unit: '/s',
    value: (now) => count(now.pingsPerSecond),
    series: (at) => at.pingsPerSecond,
    note: (now) => `Complete up to ${clock(now.completeUpToMs)}`,
  },
  {
    label: 'Acknowledged p95',
    short: 'Ack p95',
    tone: 'violet',
    unit: 'ms',
    value: (now) => (now.ackP95Ms === null ? '–' : figure(now.ackP95Ms)),
    series: (at) => at.ackP95Ms ?? 0,
    note: (now) =>
      now.queryableP95Ms === null
        ? 'Synced to disk'
        : `Queryable p95 ${figure(now.queryableP95Ms)} ms`,
  },
  {
    label: 'Mean speed',
    short: 'Speed',
    tone: 'brass',
    unit: 'km/h',
    value: (now) => figure(now.meanSpeedKmh),
    series: (at) => at.meanSpeedKmh,
    note: (now) => `${count(now.distanceKmToday)} km today`,
  },
]

/** The figures of the whole system, each with its last two minutes. */
export function KpiBar() {
  return (
    <section class="kpis" aria-label="Figures of the whole system">
      {TILES.map((tile) => (
        <KpiTile key={tile.label} tile={tile} />
      ))}
      <Throughput />
    </section>
  )
}

function KpiTile({ tile }: { tile: Tile }) {
  const now = kpi.value
  return (
    <div class="tile" data-tone={tile.tone}>
      <div class="tile-label">
        <span class="wide">{tile.label}</span>
        <span class="narrow">{tile.short}</span>
      </div>
      <div class="tile-value">
        {now ? tile.value(now) : '–'}
        {tile.unit === '' ? null : <span class="unit">{tile.unit}</span>}
      </div>
      <div class="tile-note">{now ? tile.note(now) : ' '}</div>
      <Sparkline values={kpiHistory.value.slice(-60).map(tile.series)} />
    </div>
  )
}

function Sparkline({ values }: { values: readonly number[] }) {
  if (values.length < 2) return <svg class="spark" aria-hidden="true" />
  const low = Math.min(...values)
  const high = Math.max(...values)
  // A steady figure is a calm line: its noise is not blown up to the full height.
  const range = Math.max(high - low, Math.abs(high) * 0.2, 1e-9)
  const base = low - (range - (high - low)) / 2
  const points = values.map((value, index) => {
    const x = (index / (values.length - 1)) * 100
    return `${x.toFixed(2)},${(25 - ((value - base) / range) * 22).toFixed(2)}`
  })
  return (
    <svg class="spark" viewBox="0 0 100 28" preserveAspectRatio="none" aria-hidden="true">
      <path class="spark-area" d={`M0,28 L${points.join(' L')} L100,28 Z`} />
      <path class="spark-line" d={`M${points.join(' L')}`} vector-effect="non-scaling-stroke" />
    </svg>
  )
}
