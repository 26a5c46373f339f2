/** @jsxImportSource preact */
import type { RegionWindow } from '../../actors/model/window.ts'
import { dayText, hourMinute, lateShareOf, type Slot, stateOf } from '../stores/timeline.ts'

const HEIGHT = 132
const LEFT = 44
const RIGHT = 48
const TOP = 12
const BOTTOM = 20
/** Times below the bars, this far apart or more. */
const LABEL_PX = 110

type BarsProps = Readonly<{
  slots: readonly Slot[]
  sizeS: number
  width: number
  /** Value of the upper edge. */
  top: number
  valueOf: (window: RegionWindow) => number
  tickText: (value: number) => string
  chosenMs: number | null
  point: (startMs: number | null) => void
  pick: (startMs: number) => void
}>

/** Bars by hand: a chart library is ten times this. */
export function Bars(props: BarsProps) {
  const { slots, width } = props
  const stepPx = (width - LEFT - RIGHT) / Math.max(1, slots.length)
  const gapPx = Math.min(3, stepPx * 0.25)
  const slotAt = (event: PointerEvent | MouseEvent): Slot | undefined => {
    const left = (event.currentTarget as Element).getBoundingClientRect().left
    return slots[Math.floor((event.clientX - left - LEFT) / stepPx)]
  }
  const x = (index: number): number => LEFT + index * stepPx
  const lateMax = latestOf(slots)
  return (
    <svg
      class="bars"
      viewBox={`0 0 ${width} ${HEIGHT}`}
      role="img"
      aria-label={textOf(props)}
      onPointerMove={(event) => props.point(slotAt(event)?.startMs ?? null)}
      onPointerLeave={() => props.point(null)}
      onClick={(event) => {
        const slot = slotAt(event)
        if (slot) props.pick(slot.startMs)
      }}
    >
      <defs>
        <pattern
          id="hatch"
          width="5"
          height="5"
          patternUnits="userSpaceOnUse"
          patternTransform="rotate(45)"
        >
          <rect class="hatch-ground" width="5" height="5" />
          <rect class="hatch-line" width="2.2" height="5" />
        </pattern>
      </defs>
      {slots.length === 0 ? null : <Axis {...props} lateMax={lateMax} />}
      {slots.map(({ startMs, window }, index) => (
        <g key={startMs} data-chosen={startMs === props.chosenMs}>
          {startMs === props.chosenMs ? (
            <rect
              class="bar-chosen"
              x={x(index)}
              y={TOP - 8}
              width={stepPx}
              height={HEIGHT - TOP - BOTTOM + 8}
              rx="3"
            />
          ) : null}
          {window ? (
            <Bar
              window={window}
              x={x(index) + gapPx / 2}
              width={stepPx - gapPx}
              part={Math.min(1, props.valueOf(window) / props.top)}
            />
          ) : null}
        </g>
      ))}
      {lateMax > 0 ? <LateLine slots={slots} x={(index) => x(index + 0.5)} max={lateMax} /> : null}
      <Times {...props} x={(index) => x(index + 0.5)} stepPx={stepPx} />
    </svg>
  )
}

function Bar(props: { window: RegionWindow; x: number; width: number; part: number }) {
  const { window, x, width, part } = props
  const state = stateOf(window)
  // A window that is there is seen, however little is in it.
  const height = Math.max(2, part * PLOT)
  return (
    <>
      <rect
        class="bar-value"
        data-state={state}
        {...{ x, width, height }}
        y={y(0) - height}
        rx={Math.min(2.5, width / 3)}
      />
      {state === 'revised' ? (
        <circle
          class="bar-revised"
          cx={x + width / 2}
          cy={y(0) - height - 5}
          r={Math.min(3, Math.max(1.6, width / 3))}
        />
      ) : null}
    </>
  )
}

function Axis({ width, top, tickText, lateMax }: BarsProps & { lateMax: number }) {
  return (
    <>
      {[0, 0.5, 1].map((part) => (
        <g key={part}>
          <line class="grid" x1={LEFT} x2={width - RIGHT} y1={y(part)} y2={y(part)} />
          <text class="tick" x={LEFT - 7} y={y(part) + 3.5} text-anchor="end">
            {tickText(top * part)}
          </text>
          {lateMax > 0 && part > 0 ? (
            <text class="tick tick-late" x={width - RIGHT + 7} y={y(part) + 3.5}>
              {`${+(lateMax * part * 100).toFixed(1)} %`}
            </text>
          ) : null}
        </g>
      ))}
    </>
  )
}

function LateLine(props: { slots: readonly Slot[]; x: (index: number) => number; max: number }) {
  const points = props.slots.flatMap(({ window }, index) =>
    window?.final ? [`${props.x(index).toFixed(1)},${y(lateShareOf(window) / props.max)}`] : [],
  )
  return points.length < 2 ? null : <polyline class="line-late" points={points.join(' ')} />
}

function Times(props: BarsProps & { x: (index: number) => number; stepPx: number }) {
  const { slots, x, stepPx } = props
  const every = Math.max(1, [5, 10, 12, 15, 20, 30].find((n) => n * stepPx >= LABEL_PX) ?? 30)
  return (
    <>
      {slots.map(({ startMs }, index) =>
        (slots.length - 1 - index) % every === 0 ? (
          <text key={startMs} class="tick" x={x(index)} y={HEIGHT - 4} text-anchor="middle">
            {timeOf(startMs, props.sizeS)}
          </text>
        ) : null,
      )}
    </>
  )
}

const DAY_MS = 86_400_000

/** Sixty hours are more than a day: their times say which one. */
function timeOf(startMs: number, sizeS: number): string {
  const time = hourMinute(new Date(startMs))
  return sizeS < 3_600 ? time : `${dayText(startMs, startMs + DAY_MS)} ${time}`
}

const PLOT = HEIGHT - TOP - BOTTOM

function y(part: number): number {
  return HEIGHT - BOTTOM - part * PLOT
}

/** The upper edge of the late share's axis: a quarter, a half or all, so that it is not blown up; 0 for none. */
function latestOf(slots: readonly Slot[]): number {
  const highest = Math.max(0, ...slots.map(({ window }) => (window ? lateShareOf(window) : 0)))
  if (highest <= 0) return 0
  return [0.1, 0.25, 0.5].find((edge) => highest <= edge) ?? 1
}

/** The chart in one sentence. */
function textOf({ slots, tickText, valueOf }: BarsProps): string {
  const held = slots.flatMap(({ window }) => (window ? [window] : []))
  const last = held[held.length - 1]
  if (!last) return 'No windows yet'
  const open = held.filter(({ final }) => !final).length
  const revised = held.filter(({ revision }) => revision > 0).length
  const highest = Math.max(...held.map(valueOf))
  return `${held.length} ${held.length === 1 ? 'window' : 'windows'}, newest ${tickText(valueOf(last))}, highest ${tickText(highest)}, ${open} provisional, ${revised} revised`
}
