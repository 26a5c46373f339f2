import { OrreryError } from '../actors/kernel/errors.ts'
import { RegionMap } from '../actors/model/region-map.ts'
import type { GatewayPorts, Pages } from '../gateway/ports.ts'

/** What the gateway asks of regions, as long as nothing stands behind it: every question is told so. */
export const NO_REGIONS: Pick<
  GatewayPorts,
  'regionsFeed' | 'regionMap' | 'windows' | 'windowHistory' | 'deliveries'
> = {
  regionsFeed: {
    epoch: 'none',
    seq: 0,
    snapshot: () => ({ nowMs: 0, watermarkMs: null, regions: [], windows: [] }),
    since: () => [],
    subscribe: () => () => {},
  },
  regionMap: RegionMap.ofGrid(),
  windows: {
    latest: unavailable,
    latestOfAll: unavailable,
    atStart: unavailable,
    range: unavailable,
    totals: unavailable,
    watermarkMs: unavailable,
  },
  windowHistory: { range: unavailable },
  deliveries: unavailable,
}

/** A regions page that says there is none. */
export const NO_REGIONS_PAGE: Pick<Pages, 'regions'> = {
  regions: () => '<!doctype html><title>Regions</title><p>This server has no regions.</p>',
}

async function unavailable(): Promise<never> {
  throw new OrreryError('unavailable', 'this server keeps no windows', { retriable: true })
}
