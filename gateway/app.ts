import { assert } from '../actors/kernel/errors.ts'
import type { RegionsDelta } from '../actors/model/live-regions.ts'
import type { LiveDelta } from '../actors/model/live.ts'
import type { Trip } from '../actors/model/trip.ts'
import type { Intake } from './intake.ts'
import type { LiveStreams } from './live.ts'
import type { GatewayOptions } from './options.ts'
import type { GatewayPorts } from './ports.ts'
import type { DeadLetterRetries } from './retries.ts'
import { createRoleApp, type IngestParts, type RoleApp, type ViewParts } from './role-app.ts'
import { mountViews } from './views.ts'

/** The gateway of a process that does everything: each part is there. */
export type GatewayApp = RoleApp &
  Readonly<{
    ingest: IngestParts
    views: ViewParts
    intake: Intake
    trips: Intake<Trip>
    live: LiveStreams<LiveDelta>
    liveRegions: LiveStreams<RegionsDelta>
    retries: DeadLetterRetries
  }>

const ALL_ROLES = 'gateway,worker,web'

/** All HTTP routes; tests call `app.request(path, init, connection)` without a socket. */
export function createApp(
  ports: GatewayPorts,
  overrides: Partial<GatewayOptions> = {},
): GatewayApp {
  const all = { roles: ALL_ROLES, shared: ports, ingest: ports, views: ports }
  const made = createRoleApp(all, overrides, mountViews)
  const { ingest, views } = made
  assert(ingest && views?.retries, 'a process with every port has every part')
  const { retries } = views
  return { ...made, ...ingest, ...views, ingest, views, retries }
}
