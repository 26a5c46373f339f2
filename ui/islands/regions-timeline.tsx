/** @jsxImportSource preact */
import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'

import { Icon } from '../icons.tsx'
import { roundUp, roundUpCount } from '../stores/colour-scale.ts'
import { loadBack, olderTrouble } from '../stores/older.ts'
import { metricOf, percentText, withUnit } from '../stores/region-metrics.ts'
import { regions } from '../stores/regions-live.ts'
import { momentMs, nameOf, timelineEndMs, timelineOf } from '../stores/regions-shown.ts'
import { back, metric, pinnedMs, size, sizeS } from '../stores/regions-view.ts'
import {
  dayText,
  lateShareOf,
  type Slot,
  SLOTS,
  slotsUpTo,
  spanText,
  stateOf,
} from '../stores/timeline.ts'
import { Bars } from './timeline-bars.tsx'

const STATE_TEXT = { provisional: 'provisional', final: 'final', revised: 'revised' } as const

/** The chosen region's last windows: what is final, what may still change, what came late. */
export function RegionsTimeline() {
  const width = useSignal(800)
  const box = useRef<HTMLDivElement>(null)
  const pointed = useSignal<number | null>(null)
  useEffect(() => {
    const element = box.current
    if (!element) return
    const watch = new ResizeObserver(() => (width.value = Math.max(280, element.clientWidth)))
    watch.observe(element)
    return () => watch.disconnect()
  }, [])
  regions.revision.value
  const regionId = timelineOf.value
  const endMs = timelineEndMs.value
  const by = windowMetric()
  const windows = regionId === null ? [] : regions.windows(regionId, sizeS.value)
  const slots = endMs === null ? [] : slotsUpTo(endMs, sizeS.value, windows)
  const shown = slots.find(({ startMs }) => startMs === (pointed.value ?? momentMs.value)) ?? null
  const values = slots.flatMap(({ window }) => (window ? [valueOf(window)] : []))
  function valueOf(window: NonNullable<Slot['window']>): number {
    return by.value({ regionId: window.regionId, window, totals: null, deliveries: null }) ?? 0
  }
  return (
    <section class="history" aria-label="Timeline of a region">
      <header class="history-head">
        <h2>{regionId === null ? 'Timeline' : nameOf(regionId)}</h2>
        <p class="history-what">
          {by.label} · {SLOTS} windows of {size.value}
        </p>
        <Readout slot={shown} metricText={(window) => withUnit(by, valueOf(window))} />
        <div class="history-steps">
          <button
            type="button"
            class="tool"
            disabled={regionId === null || endMs === null}
            aria-label="Older windows"
            title={olderTrouble.value || 'Older windows'}
            onClick={() => void loadBack(back.value + 1)}
          >
            <Icon name="left" />
          </button>
          <button
            type="button"
            class="tool"
            disabled={back.value === 0}
            aria-label="Newer windows"
            title="Newer windows"
            onClick={() => (back.value = Math.max(0, back.value - 1))}
          >
            <Icon name="right" />
          </button>
        </div>
      </header>
      <div ref={box} class="history-box">
        {slots.length === 0 && regions.known.value ? (
          <p class="history-none">A bar for each window, from the first trip on.</p>
        ) : null}
        <Bars
          slots={slots}
          sizeS={sizeS.value}
          width={width.value}
          top={(by.id === 'trips' ? roundUpCount : roundUp)(Math.max(0, ...values))}
          valueOf={valueOf}
          tickText={(value) => by.text(value)}
          chosenMs={momentMs.value}
          point={(startMs) => (pointed.value = startMs)}
          pick={(startMs) => (pinnedMs.value = startMs)}
        />
      </div>
      <ul class="history-key" aria-label="Key">
        <li data-state="final">final</li>
        <li data-state="provisional">provisional, may still change</li>
        <li data-state="revised">revised by late trips</li>
        <li data-state="late">late share</li>
        {olderTrouble.value === '' ? null : <li class="trouble">{olderTrouble.value}</li>}
      </ul>
    </section>
  )
}

/** What a bar can show: the late share and deliveries have no window of their own, trips stand in. */
function windowMetric() {
  const { id, group } = metric.value
  return id === 'late' || group === 'deliveries' ? metricOf('trips') : metric.value
}

function Readout(props: {
  slot: Slot | null
  metricText: (window: NonNullable<Slot['window']>) => string
}) {
  const { slot } = props
  if (!slot) return <p class="readout" />
  const span = `${dayText(slot.startMs, Date.now())} ${spanText(slot.startMs, sizeS.value)}`
  const { window } = slot
  if (!window) {
    return (
      <p class="readout">
        <span>{span}</span> no trips
      </p>
    )
  }
  const late = lateShareOf(window)
  return (
    <p class="readout">
      <span>{span}</span> <b>{props.metricText(window)}</b>
      {late > 0 ? <span data-tone="brass">{percentText(late * 100)} % late</span> : null}
      <span class="state-mark" data-state={stateOf(window)}>
        {STATE_TEXT[stateOf(window)]}
        {window.revision > 1 ? ` ${window.revision}×` : ''}
      </span>
    </p>
  )
}
