import { GATEWAY_DEFAULTS, type GatewayOptions } from '../gateway/options.ts'
import type { Config } from './settings.ts'

/** The gateway's limits as configured; what has no setting keeps its default. */
export function gatewayOptions(config: Config): GatewayOptions {
  return {
    ...GATEWAY_DEFAULTS,
    authTimeoutMs: config.authTimeoutMs,
    frameBytesMax: config.frameBytesMax,
    bodyBytesMax: config.bodyBytesMax,
    pingsPerMessageMax: config.pingsPerMessageMax,
    time: {
      aheadMsMax: config.eventTimeFutureMaxMs,
      oldestMs: Date.parse(`${config.eventTimeOldest}T00:00:00Z`),
    },
    tripTime: { ...GATEWAY_DEFAULTS.tripTime, aheadMsMax: config.tripFutureMaxMs },
    connectionsMax: config.maxConnections,
    pingsPerSecondMax: config.pingsPerSecondMax,
    viewersMax: config.viewersMax,
    viewers: config.viewers,
    tilesUrl: config.tilesUrl === '' ? null : config.tilesUrl,
  }
}
