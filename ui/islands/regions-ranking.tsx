/** @jsxImportSource preact */
import { useEffect, useRef } from 'preact/hooks'

import { count } from '../stores/format.ts'
import type { Ranked } from '../stores/ranking.ts'
import { lateShare } from '../stores/region-figures.ts'
import { type Metric, METRICS, percentText, unitFor } from '../stores/region-metrics.ts'
import { SIZES } from '../stores/regions-link.ts'
import { deliveriesTrouble, regions } from '../stores/regions-live.ts'
import { listed, nameOf, ranked, scale } from '../stores/regions-shown.ts'
import {
  changeSize,
  choose,
  chosen,
  hovered,
  metric,
  metricId,
  regionQuery,
  size,
} from '../stores/regions-view.ts'
import { SearchBox } from './search-box.tsx'

/** What is compared, over which windows, and every region in order: the map in words. */
export function RegionsRanking() {
  return (
    <section class="ranking" aria-label="Ranking of the regions">
      <div class="choices">
        <MetricChoice />
        <SizeChoice />
      </div>
      <SearchBox
        query={regionQuery}
        placeholder="Search region"
        label="Search a region by name or number"
        controls="ranking"
        lengthMax={100}
      />
      <ListHead />
      <Rows />
    </section>
  )
}

const GROUPS = [
  ['trips', 'Trips'],
  ['deliveries', 'Deliveries'],
] as const

function MetricChoice() {
  return (
    <label class="choice">
      <span class="choice-label">Colour and order by</span>
      <span class="select" data-tone={metric.value.tone}>
        <select
          value={metricId.value}
          onChange={(event) => {
            const { value } = event.currentTarget
            const found = METRICS.find(({ id }) => id === value)
            if (found) metricId.value = found.id
          }}
        >
          {GROUPS.map(([group, label]) => (
            <optgroup key={group} label={label}>
              {METRICS.filter((each) => each.group === group).map(({ id, label }) => (
                <option key={id} value={id} selected={id === metricId.value}>
                  {label}
                </option>
              ))}
            </optgroup>
          ))}
        </select>
      </span>
    </label>
  )
}

function SizeChoice() {
  return (
    <div class="choice">
      <span class="choice-label" id="size-label">
        Window
      </span>
      <div class="segments" role="group" aria-labelledby="size-label">
        {SIZES.map((name, index) => (
          <button
            key={name}
            type="button"
            aria-pressed={size.value === name}
            title={`Windows of ${name} (${index + 1})`}
            onClick={() => changeSize(name)}
          >
            {name}
          </button>
        ))}
      </div>
    </div>
  )
}

function ListHead() {
  const all = ranked.value.length
  const late = ranked.value.filter((row) => row.late).length
  return (
    <p class="list-count" role="status">
      {regions.known.value ? listText(all, listed.value.length) : 'Waiting for the regions…'}
      {late > 0 ? <span class="list-late"> · {count(late)} late</span> : null}
      {metric.value.group === 'deliveries' && deliveriesTrouble.value !== ''
        ? ` · no deliveries: ${deliveriesTrouble.value}`
        : null}
    </p>
  )
}

function listText(all: number, shown: number): string {
  if (shown === all) return `${count(all)} ${all === 1 ? 'region' : 'regions'}`
  return shown === 0 ? 'No region matches. Esc clears the search.' : `${shown} of ${all} regions`
}

function Rows() {
  const box = useRef<HTMLDivElement>(null)
  const rows = listed.value
  useEffect(() => {
    const element = box.current
    const row = document.getElementById(`region-${chosen.value}`)
    if (!element || !row) return
    // Only the list: the page itself stays where the reader is.
    const top = row.offsetTop
    const under = top + row.offsetHeight - element.clientHeight
    if (top < element.scrollTop) element.scrollTop = top
    else if (under > element.scrollTop) element.scrollTop = under
  }, [chosen.value])
  const inSight = rows.some(({ figures }) => figures.regionId === chosen.value)
  return (
    <div
      ref={box}
      id="ranking"
      class="list"
      role="listbox"
      tabIndex={0}
      aria-label="Regions"
      aria-activedescendant={inSight ? `region-${chosen.value}` : undefined}
    >
      {rows.map((row) => (
        <Row key={row.figures.regionId} row={row} metric={metric.value} />
      ))}
    </div>
  )
}

function Row({ row, metric }: { row: Ranked; metric: Metric }) {
  const { regionId, totals } = row.figures
  const bar = useRef<HTMLSpanElement>(null)
  useEffect(() => {
    if (bar.current) bar.current.style.width = `${(row.part * 100).toFixed(1)}%`
  }, [row.part])
  const isChosen = chosen.value === regionId
  return (
    <div
      id={`region-${regionId}`}
      class="rank-row"
      role="option"
      aria-selected={isChosen}
      data-tone={metric.tone}
      data-step={row.value === null ? undefined : scale.value.stepOf(row.value)}
      data-pointed={hovered.value === regionId}
      onClick={() => choose(isChosen ? null : regionId)}
      onPointerEnter={() => (hovered.value = regionId)}
      onPointerLeave={() => (hovered.value = null)}
    >
      <span class="rank">{row.value === null ? '·' : row.rank}</span>
      <span class="rank-name">{nameOf(regionId)}</span>
      {row.late && totals && metric.id !== 'late' ? (
        <span class="late-badge">{percentText(lateShare(totals) * 100)} % late</span>
      ) : null}
      <span class="rank-value">
        {row.value === null ? '–' : metric.text(row.value)}
        <small>{row.value === null ? '' : ` ${unitFor(metric, row.value)}`}</small>
      </span>
      <span class="rank-bar" aria-hidden="true">
        <span ref={bar} />
      </span>
    </div>
  )
}
