/** @jsxImportSource preact */
import { mapTrouble, regions, stream } from '../stores/regions-live.ts'
import { Copyable } from './copyable.tsx'
import { SignedOut } from './signed-out.tsx'

/** What stands over an empty map: how to send trips, or the way to sign in. */
export function RegionsNotice() {
  if (stream.state.value === 'signed_out')
    return <SignedOut what="the regions" why="This Orrery shows its figures to people it knows." />
  regions.revision.value
  if (regions.known.value && regions.totals.length === 0) return <NoTrips />
  if (mapTrouble.value === '') return null
  return (
    <p class="map-trouble" role="status">
      No map of the regions: {mapTrouble.value} The ranking has them all.
    </p>
  )
}

function NoTrips() {
  const url = `${location.origin}/ingest/trips`
  return (
    <section class="notice" aria-label="No trips yet">
      <h2>No trips yet</h2>
      <p>Regions light up within a second of the first trip. Replay a file of them:</p>
      <Copyable text="bun run replay trips.csv" />
      <p>Or watch made-up ones that happen now:</p>
      <Copyable text="bun run simulate trips" />
      <details>
        <summary>Send your own</summary>
        <p>One trip a line, with the key that the first start printed:</p>
        <Copyable
          text={`curl ${url} -H 'x-api-key: YOUR_KEY' -H 'content-type: application/x-ndjson' -d '{"trip_id":"trip_1","region_id":4,"event_time":"${minuteNow()}","fare":13.4,"duration":825,"distance":4.6}'`}
        />
      </details>
    </section>
  )
}

function minuteNow(): string {
  return `${new Date().toISOString().slice(0, 19)}Z`
}
