/** @jsxImportSource preact */
import { useSignal } from '@preact/signals'

import type { LiveEvent } from '../../actors/model/live.ts'
import { Icon } from '../icons.tsx'
import { beat } from '../stores/beat.ts'
import type { Vehicle } from '../stores/fleet.ts'
import { ago, clock, compass, count, distance, progress, statusText } from '../stores/format.ts'
import { fleet } from '../stores/live.ts'
import { detail, detailTrouble } from '../stores/trail.ts'
import { following, reveal, select, selected } from '../stores/view.ts'

/** Everything of the selected vehicle, each value with its age. */
export function SessionCard() {
  const sessionId = selected.value
  if (sessionId === null) return null
  fleet.revision.value
  const vehicle = fleet.find(sessionId)
  return (
    <section
      class="card"
      aria-label="Selected vehicle"
      data-status={vehicle?.status ?? 'completed'}
    >
      {vehicle ? <LiveCard vehicle={vehicle} /> : <GoneCard sessionId={sessionId} />}
    </section>
  )
}

function Head({ title, status }: { title: string; status: string }) {
  return (
    <header class="card-head">
      <h2 title={title}>{title}</h2>
      <span class="pill">
        <span class="dot" />
        {status}
      </span>
      <button type="button" class="tool" aria-label="Close (Esc)" onClick={() => select(null)}>
        <Icon name="close" />
      </button>
    </header>
  )
}

function LiveCard({ vehicle }: { vehicle: Vehicle }) {
  beat.value
  const fixAgeMs = Math.max(0, fleet.serverNowMs() - vehicle.fixMs)
  const stale = fleet.isStale(vehicle, fleet.serverNowMs())
  const done = progress(vehicle.travelledM, vehicle.remainingM, vehicle.status === 'completed')
  return (
    <>
      <Head title={vehicle.vehicleId} status={statusText(vehicle.status)} />
      <div class="card-figures">
        <Figure label="Speed" value={String(Math.round(vehicle.speedKmh))} unit="km/h" />
        <div class="figure">
          <span class="figure-label">Heading</span>
          <span class="figure-value">
            {vehicle.headingDeg >= 0 ? <HeadingArrow deg={vehicle.headingDeg} /> : null}
            {compass(vehicle.headingDeg)}
            {vehicle.headingDeg >= 0 ? <span class="unit">{vehicle.headingDeg}°</span> : null}
          </span>
        </div>
        <div class="figure">
          <span class="figure-label">Last fix</span>
          <span class="figure-value figure-age" data-stale={stale}>
            {ago(fixAgeMs)}
          </span>
        </div>
      </div>
      <div class="way">
        <progress max={1} value={done} aria-label="Share of the way that is done" />
        <div class="way-ends">
          <span>{distance(vehicle.travelledM)} driven</span>
          <b>{Math.round(done * 100)} %</b>
          <span>
            {vehicle.status === 'completed' ? 'Delivered' : `${distance(vehicle.remainingM)} left`}
          </span>
        </div>
      </div>
      <button
        type="button"
        class="button"
        aria-pressed={following.value}
        onClick={() => {
          if (following.value) following.value = false
          else reveal(vehicle.sessionId, true)
        }}
      >
        <Icon name="follow" />
        {following.value ? 'Following' : 'Follow'}
        <kbd aria-hidden="true">f</kbd>
      </button>
      <Ids vehicleId={vehicle.vehicleId} orderId={vehicle.orderId} sessionId={vehicle.sessionId} />
      <Timeline sessionId={vehicle.sessionId} />
      <p class="card-foot">
        {vehicle.lat.toFixed(5)}, {vehicle.lng.toFixed(5)} · {clock(vehicle.fixMs)}
        {detail.value ? ` · ${count(detail.value.pings)} pings` : ''}
      </p>
    </>
  )
}

/** A session that is no longer on the map: what the store still knows. */
function GoneCard({ sessionId }: { sessionId: string }) {
  const known = detail.value
  return (
    <>
      <Head title={known?.vehicleId ?? 'Session'} status={known ? 'Off the map' : 'Unknown'} />
      {known ? (
        <>
          <p class="card-note">
            {distance(known.distanceM)} driven, {count(known.pings)} pings stored.
          </p>
          <Ids vehicleId={known.vehicleId} orderId={known.orderId} sessionId={sessionId} />
        </>
      ) : (
        <>
          <p class="card-note">
            {detailTrouble.value === '' ? 'Looking it up…' : detailTrouble.value}
          </p>
          <Ids vehicleId="" orderId="" sessionId={sessionId} />
        </>
      )}
      <Timeline sessionId={sessionId} />
    </>
  )
}

function Figure({ label, value, unit }: { label: string; value: string; unit: string }) {
  return (
    <div class="figure">
      <span class="figure-label">{label}</span>
      <span class="figure-value">
        {value}
        <span class="unit">{unit}</span>
      </span>
    </div>
  )
}

function HeadingArrow({ deg }: { deg: number }) {
  return (
    <span
      class="heading"
      ref={(element) => {
        if (element) element.style.transform = `rotate(${deg}deg)`
      }}
    >
      <Icon name="arrow" />
    </span>
  )
}

function Ids(ids: { vehicleId: string; orderId: string; sessionId: string }) {
  return (
    <dl class="ids">
      <Id label="Order" value={ids.orderId} />
      <Id label="Session" value={ids.sessionId} />
      {ids.vehicleId.length > 18 ? <Id label="Vehicle" value={ids.vehicleId} /> : null}
    </dl>
  )
}

function Id({ label, value }: { label: string; value: string }) {
  const copied = useSignal(false)
  if (value === '') return null
  return (
    <div class="id">
      <dt>{label}</dt>
      <dd>
        <code title={value}>{value}</code>
        <button
          type="button"
          class="copy"
          aria-label={copied.value ? `${label} copied` : `Copy ${label.toLowerCase()}`}
          onClick={() => {
            void navigator.clipboard.writeText(value).then(() => {
              copied.value = true
              setTimeout(() => (copied.value = false), 1_500)
            })
          }}
        >
          <Icon name={copied.value ? 'check' : 'copy'} />
        </button>
      </dd>
    </div>
  )
}

/** Status events, newest first: those stored, and those that came since. */
function Timeline({ sessionId }: { sessionId: string }) {
  const seen = new Map<string, number>()
  for (const { status, atMs } of detail.value?.events ?? []) seen.set(status, atMs)
  const own = (event: LiveEvent): boolean => event.sessionId === sessionId
  for (const { status, atMs } of fleet.events.value.filter(own)) {
    if (status === 'silent' || !seen.has(status)) seen.set(status, atMs)
  }
  const events = [...seen].sort((one, other) => other[1] - one[1])
  if (events.length === 0) return null
  return (
    <ol class="timeline" aria-label="Events">
      {events.map(([status, atMs]) => (
        <li key={status} data-status={status}>
          <span class="dot" />
          <span>{statusText(status)}</span>
          <time dateTime={new Date(atMs).toISOString()}>{clock(atMs)}</time>
        </li>
      ))}
    </ol>
  )
}
