/** @jsxImportSource preact */
import { useSignal } from '@preact/signals'

import type { LiveKpi } from '../../actors/model/live.ts'
import { clock, count, figure } from '../stores/format.ts'
import { kpiHistory } from '../stores/kpis.ts'

const WIDTH = 320
const HEIGHT = 84
const LEFT = 34
const RIGHT = 30
const TOP = 6
const BOTTOM = 16
const WINDOW_MS = 120_000

/** Pings a second and the time to the acknowledgement, over two minutes, each with its own axis. */
export function Throughput() {
  const history = kpiHistory.value
  const pointed = useSignal<number | null>(null)
  const last = history[history.length - 1]
  const untilMs = last?.nowMs ?? 0
  const pingsMax = niceMax(Math.max(1, ...history.map((at) => at.pingsPerSecond)))
  const ackMax = niceMax(Math.max(1, ...history.map((at) => at.ackP95Ms ?? 0)))
  const x = (atMs: number): number => WIDTH - RIGHT - ((untilMs - atMs) / WINDOW_MS) * PLOT_WIDTH
  const shown = history.filter((at) => untilMs - at.nowMs <= WINDOW_MS)
  const pings = linePath(shown, x, (at) => at.pingsPerSecond / pingsMax)
  const acks = linePath(shown, x, (at) => (at.ackP95Ms ?? 0) / ackMax)
  const first = shown[0]
  const at = pointed.value === null ? last : nearest(shown, x, pointed.value)
  return (
    <figure class="chart">
      <figcaption>
        <span class="chart-title">Throughput</span>
        <span class="key" data-tone="sky">
          {at ? count(at.pingsPerSecond) : '–'} pings/s
        </span>
        <span class="key" data-tone="violet">
          {figureOf(at?.ackP95Ms)} ms p95
        </span>
        <span class="chart-time">{at && pointed.value !== null ? clock(at.nowMs) : ''}</span>
      </figcaption>
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        role="img"
        aria-label="Pings per second and acknowledgement time over the last two minutes"
        onPointerMove={(event) => {
          const box = event.currentTarget.getBoundingClientRect()
          pointed.value = ((event.clientX - box.left) / box.width) * WIDTH
        }}
        onPointerLeave={() => (pointed.value = null)}
      >
        {[0, 0.5, 1].map((part) => (
          <g key={part}>
            <line class="grid" x1={LEFT} x2={WIDTH - RIGHT} y1={y(part)} y2={y(part)} />
            <text class="tick" x={LEFT - 5} y={y(part) + 3} text-anchor="end">
              {short(pingsMax * part)}
            </text>
            <text class="tick tick-right" x={WIDTH - RIGHT + 5} y={y(part) + 3}>
              {short(ackMax * part)}
            </text>
          </g>
        ))}
        {first ? (
          <>
            <path class="area" d={`${pings} L${x(untilMs)},${y(0)} L${x(first.nowMs)},${y(0)} Z`} />
            <path class="line-pings" d={pings} />
            <path class="line-acks" d={acks} />
          </>
        ) : null}
        {at && pointed.value !== null ? (
          <line class="cross" x1={x(at.nowMs)} x2={x(at.nowMs)} y1={TOP} y2={y(0)} />
        ) : null}
        <text class="tick" x={LEFT} y={HEIGHT - 3}>
          2 min ago
        </text>
        <text class="tick" x={WIDTH - RIGHT} y={HEIGHT - 3} text-anchor="end">
          now
        </text>
      </svg>
    </figure>
  )
}

const PLOT_WIDTH = WIDTH - LEFT - RIGHT

function y(part: number): number {
  return HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM)
}

function linePath(
  shown: readonly LiveKpi[],
  x: (atMs: number) => number,
  part: (at: LiveKpi) => number,
): string {
  return shown
    .map(
      (at, index) =>
        `${index === 0 ? 'M' : 'L'}${x(at.nowMs).toFixed(1)},${y(part(at)).toFixed(1)}`,
    )
    .join(' ')
}

function nearest(
  shown: readonly LiveKpi[],
  x: (atMs: number) => number,
  at: number,
): LiveKpi | undefined {
  let best = shown[0]
  for (const one of shown) {
    if (best && Math.abs(x(one.nowMs) - at) < Math.abs(x(best.nowMs) - at)) best = one
  }
  return best
}

/** The next of 1, 2, 4, 5, 8 times a power of ten: halves stay round numbers. */
function niceMax(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value))
  return ([1, 2, 4, 5, 8].find((step) => step * power >= value * 1.05) ?? 10) * power
}

function short(value: number): string {
  if (value >= 1_000_000) return `${+(value / 1_000_000).toFixed(1)}M`
  if (value >= 1_000) return `${+(value / 1_000).toFixed(1)}k`
  return `${+value.toFixed(1)}`
}

function figureOf(value: number | null | undefined): string {
  return value === null || value === undefined ? '–' : figure(value)
}
