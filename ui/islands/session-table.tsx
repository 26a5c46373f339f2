/** @jsxImportSource preact */
import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'

import { beat } from '../stores/beat.ts'
import type { Vehicle } from '../stores/fleet.ts'
import {
  age,
  count,
  distance,
  progress,
  shortId,
  STATUS_ORDER,
  statusText,
} from '../stores/format.ts'
import { listed } from '../stores/list.ts'
import { fleet } from '../stores/live.ts'
import { active, query, reveal, selected, statuses, toggleStatus } from '../stores/view.ts'
import { SearchBox } from './search-box.tsx'

const ROW_PX = 56
const SPARE_ROWS = 4

/** Search, filters, and every vehicle as text: what the map shows, for those who read or type. */
export function SessionTable() {
  return (
    <section class="fleet" aria-label="Vehicles">
      <SearchBox
        query={query}
        placeholder="Search vehicle, order, session"
        label="Search vehicle, order or session"
        controls="vehicles"
        lengthMax={200}
        onChange={() => (active.value = 0)}
      />
      <Chips />
      <Rows />
    </section>
  )
}

function Chips() {
  const counts = fleet.counts.value
  return (
    <div class="chips" role="group" aria-label="Show by status">
      {STATUS_ORDER.map((status) => (
        <button
          key={status}
          type="button"
          class="chip"
          data-status={status}
          aria-pressed={statuses.value.includes(status)}
          onClick={() => toggleStatus(status)}
        >
          <span class="chip-count">{count(counts[status])}</span>
          <span class="chip-label">
            <span class="dot" />
            {statusText(status)}
          </span>
        </button>
      ))}
    </div>
  )
}

function Rows() {
  const rows = listed.value
  const box = useRef<HTMLDivElement>(null)
  const top = useSignal(0)
  const height = useSignal(600)
  useEffect(() => {
    const element = box.current
    if (!element) return
    const watch = new ResizeObserver(() => (height.value = element.clientHeight))
    watch.observe(element)
    return () => watch.disconnect()
  }, [])
  useEffect(() => {
    const element = box.current
    if (!element || active.value < 0) return
    const rowTop = active.value * ROW_PX
    if (rowTop < element.scrollTop) element.scrollTop = rowTop
    const over = rowTop + ROW_PX - element.scrollTop - element.clientHeight
    if (over > 0) element.scrollTop += over
  }, [active.value])
  const first = Math.max(0, Math.floor(top.value / ROW_PX) - SPARE_ROWS)
  const last = Math.min(rows.length, Math.ceil((top.value + height.value) / ROW_PX) + SPARE_ROWS)
  const activeRow = rows[active.value]
  return (
    <>
      <p class="list-count" role="status">
        {listText(rows.length)}
      </p>
      <div
        ref={box}
        id="vehicles"
        class="list"
        role="listbox"
        tabIndex={0}
        aria-label="Vehicles"
        aria-activedescendant={activeRow ? rowId(activeRow) : undefined}
        onScroll={(event) => (top.value = event.currentTarget.scrollTop)}
      >
        <Height px={rows.length * ROW_PX}>
          {rows.slice(first, last).map((vehicle, index) => (
            <Row key={vehicle.sessionId} vehicle={vehicle} index={first + index} of={rows.length} />
          ))}
        </Height>
      </div>
    </>
  )
}

function listText(shown: number): string {
  if (!fleet.known.value) return 'Waiting for the fleet…'
  fleet.membership.value
  if (shown === fleet.size) return `${count(shown)} ${shown === 1 ? 'vehicle' : 'vehicles'}`
  return shown === 0
    ? 'No vehicle matches. Esc clears the search.'
    : `${count(shown)} of ${count(fleet.size)} vehicles`
}

/** The list's full height, of which only the rows in sight exist. */
function Height({ px, children }: { px: number; children: preact.ComponentChildren }) {
  const element = useRef<HTMLDivElement>(null)
  useEffect(() => {
    if (element.current) element.current.style.height = `${px}px`
  }, [px])
  return (
    <div ref={element} class="rows" role="presentation">
      {children}
    </div>
  )
}

function rowId(vehicle: Vehicle): string {
  return `vehicle-${vehicle.handle}`
}

function Row({ vehicle, index, of }: { vehicle: Vehicle; index: number; of: number }) {
  fleet.revision.value
  beat.value
  const serverNowMs = fleet.serverNowMs()
  const stale = fleet.isStale(vehicle, serverNowMs)
  const chosen = selected.value === vehicle.sessionId
  const done = progress(vehicle.travelledM, vehicle.remainingM, vehicle.status === 'completed')
  return (
    <div
      id={rowId(vehicle)}
      class="row"
      role="option"
      aria-selected={chosen}
      aria-setsize={of}
      aria-posinset={index + 1}
      data-status={vehicle.status}
      data-active={active.value === index}
      data-stale={stale}
      ref={(element) => {
        if (element) element.style.transform = `translateY(${index * ROW_PX}px)`
      }}
      onClick={() => {
        active.value = index
        reveal(vehicle.sessionId)
      }}
    >
      <Ring part={done} />
      <div class="row-who">
        <b title={vehicle.vehicleId}>{shortId(vehicle.vehicleId)}</b>
        <span title={vehicle.orderId}>{shortId(vehicle.orderId)}</span>
      </div>
      <div class="row-what">
        <span class="row-speed">
          {Math.round(vehicle.speedKmh)}
          <small> km/h</small>
        </span>
        <span class="row-status">
          {vehicle.status === 'completed' || vehicle.status === 'silent' || stale
            ? `${statusText(vehicle.status)} · ${age(Math.max(0, serverNowMs - vehicle.fixMs))}`
            : `${distance(vehicle.remainingM)} left`}
        </span>
      </div>
    </div>
  )
}

/** How much of the way is done, as a ring in the status' colour. */
function Ring({ part }: { part: number }) {
  const round = 2 * Math.PI * 8
  return (
    <svg class="ring" viewBox="0 0 22 22" aria-hidden="true">
      <circle class="ring-whole" cx="11" cy="11" r="8" />
      <circle
        class="ring-part"
        cx="11"
        cy="11"
        r="8"
        stroke-dasharray={`${(part * round).toFixed(1)} ${round.toFixed(1)}`}
        transform="rotate(-90 11 11)"
      />
      <circle class="ring-dot" cx="11" cy="11" r="3.2" />
    </svg>
  )
}
