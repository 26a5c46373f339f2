import { type Address, listen, type Listening } from './listen.ts'
import type { GatewayOptions } from './options.ts'
import type { RolePorts } from './ports.ts'
import { createRoleApp, type RoleApp } from './role-app.ts'

/** A process of some roles, listening. */
export interface RoleServer extends Listening {
  readonly app: RoleApp
}

/**
 * Listens for what this process's ports can do: messages with `ingest`, pages with `views`; health, readiness, metrics and
 * the description always. What pages are made of is loaded where there are any. Throws as `listen`.
 */
export async function startRoles(
  ports: RolePorts,
  overrides: Partial<GatewayOptions> & Address,
): Promise<RoleServer> {
  const mountViews = ports.views ? (await import('./views.ts')).mountViews : null
  const app = createRoleApp(ports, overrides, mountViews)
  return { ...listen(app, ports.shared, overrides), app }
}
