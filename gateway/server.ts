import { createApp, type GatewayApp } from './app.ts'
import { type Address, listen, type Listening } from './listen.ts'
import type { GatewayOptions } from './options.ts'
import type { GatewayPorts } from './ports.ts'

/** A gateway that does everything, and listens. */
export interface GatewayServer extends Listening {
  readonly app: GatewayApp
}

/** Everything in one process, listening. Throws as `listen`. */
export function startServer(
  ports: GatewayPorts,
  overrides: Partial<GatewayOptions> & Address,
): GatewayServer {
  const app = createApp(ports, overrides)
  return { ...listen(app, ports, overrides), app }
}
