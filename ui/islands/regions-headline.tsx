/** @jsxImportSource preact */
import { Icon } from '../icons.tsx'
import { clock, count } from '../stores/format.ts'
import { percentText } from '../stores/region-metrics.ts'
import { regions } from '../stores/regions-live.ts'
import { headline, momentMs, nameOf, provisional, sums } from '../stores/regions-shown.ts'
import { choose, chosen, pinnedMs, sizeS } from '../stores/regions-view.ts'
import { dayText, spanText } from '../stores/timeline.ts'

/** Which region is busy and which is late, in words; then how far the figures can be believed. */
export function RegionsHeadline() {
  return (
    <section class="headline" aria-label="In short">
      <Busiest />
      <Latest />
      <Believed />
      <Totals />
    </section>
  )
}

function Busiest() {
  const { busiest } = headline.value
  if (!busiest) return <Quiet label="Busiest" text="–" />
  const { regionId, trips } = busiest
  return (
    <Said
      {...{ regionId, label: 'Busiest', tone: 'mint' }}
      figure={count(trips)}
      unit={trips === 1 ? 'trip' : 'trips'}
    />
  )
}

function Latest() {
  const { busiest, latest, lateBeside } = headline.value
  if (!latest) return <Quiet label="Most late" text={busiest ? 'All on time' : '–'} />
  const { regionId, percent } = latest
  return (
    <Said
      {...{ regionId, label: 'Most late', tone: 'brass' }}
      figure={`${percentText(percent)} %`}
      unit={lateBeside > 0 ? `late, and ${lateBeside} more` : 'late'}
    />
  )
}

function Said(props: {
  regionId: number
  label: string
  tone: string
  figure: string
  unit: string
}) {
  const { regionId, label } = props
  return (
    <button
      type="button"
      class="said"
      data-tone={props.tone}
      aria-pressed={chosen.value === regionId}
      onClick={() => choose(regionId)}
    >
      <span class="said-label">
        <Icon name={props.tone === 'brass' ? 'clock' : 'pulse'} />
        {label}
      </span>
      <span class="said-name">{nameOf(regionId)}</span>
      <span class="said-figure">
        <b>{props.figure}</b> {props.unit}
      </span>
    </button>
  )
}

function Quiet({ label, text }: { label: string; text: string }) {
  return (
    <div class="said" data-quiet="true">
      <span class="said-label">{label}</span>
      <span class="said-name">{text}</span>
      <span class="said-figure">&nbsp;</span>
    </div>
  )
}

/** The shown window, and up to where windows are final. */
function Believed() {
  const atMs = momentMs.value
  const watermarkMs = regions.watermarkMs.value
  if (atMs === null) return <Quiet label="Window" text="–" />
  const pinned = pinnedMs.value !== null
  return (
    <div class="said plain">
      <span class="said-label">
        {dayText(atMs, Date.now()) || (pinned ? 'Looking back' : 'Window')}
        <span class="state-mark" data-state={provisional.value ? 'provisional' : 'final'}>
          {provisional.value ? 'Provisional' : 'Final'}
        </span>
      </span>
      <span class="said-name">{spanText(atMs, sizeS.value)}</span>
      {pinned ? (
        <button type="button" class="back-now" onClick={() => (pinnedMs.value = null)}>
          Back to the newest
        </button>
      ) : (
        <span
          class="said-figure"
          title="Windows that end before this are final: later trips are late. Provisional ones may still change."
        >
          {watermarkMs === null ? 'No watermark yet' : `Final up to ${clock(watermarkMs + 1)}`}
        </span>
      )}
    </div>
  )
}

function Totals() {
  const { trips, duplicates, late, tooLate } = sums.value
  const rows: readonly (readonly [string, number, string])[] = [
    ['Trips', trips, 'Without repeats'],
    ['Late', late, 'Came after their minute was final'],
    ['Duplicates', duplicates, 'Sent again, counted once'],
    ['Too late', tooLate, 'Late, and their minute was no longer held'],
  ]
  return (
    <dl class="totals" aria-label="Since the first trip">
      {rows.map(([label, value, title]) => (
        <div key={label} title={title}>
          <dt>{label}</dt>
          <dd>{regions.known.value ? count(value) : '–'}</dd>
        </div>
      ))}
    </dl>
  )
}
