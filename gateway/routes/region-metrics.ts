import { type Context, Hono } from 'hono'

import { messageOf, OrreryError } from '../../actors/kernel/errors.ts'
import { REGION_ID_MAX } from '../../actors/model/trip.ts'
import {
  type RegionWindow,
  WINDOW_NAMES,
  type WindowName,
  type WindowSizeS,
} from '../../actors/model/window.ts'
import { type GatewayEnv, refuseStranger } from '../context.ts'
import { detailResponse, Inputs } from '../details.ts'
import { retryAfter } from '../http-error.ts'
import { timeMsOf } from '../query.ts'
import type { ViewSetting } from '../role-app.ts'
import { doubleJson, isoTime, windowJson } from '../window-json.ts'
import { nthNewest, rangeOf, windowsAt } from '../window-reading.ts'

const RETRY_MS = 1_000
const HOUR_MS = 3_600_000

/** How far back a window may be asked for by its place. */
export const OFFSET_MAX = 10_000
/** Hours of a timeline: a week. */
export const HOURS_MAX = 168
/** Regions of a ranking. */
export const TOP_MAX = 100

/** What regions are ranked by, and whether it is counted or a double. */
export const TOP_METRICS = {
  trip_count: (window) => String(window.tripCount),
  avg_fare: (window) => doubleJson(window.avgFare),
  total_distance: (window) => doubleJson(window.totalDistance),
  total_fare: (window) => doubleJson(window.totalFare),
  avg_duration: (window) => doubleJson(window.avgDuration),
  p50_duration: (window) => doubleJson(window.p50Duration),
  p95_duration: (window) => doubleJson(window.p95Duration),
  late_count: (window) => String(window.lateCount),
} as const satisfies Readonly<Record<string, (window: RegionWindow) => string>>
type TopMetric = keyof typeof TOP_METRICS

const UNSUPPORTED =
  "Only '1m', '5m', '15m' and '1h' windows are supported at the moment; '1m' is the default."
const UNKNOWN_METRIC = `Only these metrics are supported: ${Object.keys(TOP_METRICS).join(', ')}.`
const FAILED = 'Internal server error while fetching metrics.'

type Asked = Context<GatewayEnv>

/** StreamPulse's three questions, with its own fields, codes and words. */
export function regionMetricsRoutes(setting: ViewSetting): Hono<GatewayEnv> {
  const { ports } = setting
  const routes = new Hono<GatewayEnv>()

  const get = (path: string, answer: (context: Asked) => Promise<Response>): void => {
    routes.get(path, async (context) => {
      const refused = refuseStranger(context, setting, 'view')
      if (refused) return refused
      try {
        return await answer(context)
      } catch (thrown) {
        return failed(thrown, setting)
      }
    })
    routes.all(path, () => detailResponse(405, 'Method Not Allowed', { allow: 'GET' }))
  }

  get('/metrics/regions/top', (context) => top(context, setting))

  get('/metrics/region/:region_id', async (context) => {
    const inputs = new Inputs(context)
    const region = inputs.pathWhole('region_id')
    const offset = inputs.queryWhole('offset', { default: 0, min: 0, max: OFFSET_MAX })
    if (region === null || inputs.problems.length > 0) return invalid(inputs)
    const sizeS = sizeOf(context)
    if (sizeS === null) return detailResponse(400, UNSUPPORTED)
    const regionId = regionOf(region)
    const found = regionId && (await nthNewest(ports, { regionId, sizeS, offset }))
    if (found) return json(windowJson(found))
    const none = `No metrics found for region ${region}`
    return detailResponse(404, offset === 0 ? noKeys(region) : `${none} at offset ${offset}.`)
  })

  get('/metrics/timeline/:region_id', async (context) => {
    const inputs = new Inputs(context)
    const region = inputs.pathWhole('region_id')
    const hours = inputs.queryWhole('hours', { default: 1, min: 1, max: HOURS_MAX })
    if (region === null || inputs.problems.length > 0) return invalid(inputs)
    const sizeS = sizeOf(context)
    if (sizeS === null) return detailResponse(400, UNSUPPORTED)
    const regionId = regionOf(region)
    const newest = regionId && (await nthNewest(ports, { regionId, sizeS, offset: 0 }))
    if (!newest) return detailResponse(404, noKeys(region))
    const sizeMs = sizeS * 1_000
    // Back from the region's own newest window: a replay of last year has a timeline too.
    const fromMs = newest.startMs + sizeMs - Math.max(hours * HOUR_MS, sizeMs)
    const windows = await rangeOf(ports, {
      ...{ regionId: newest.regionId, sizeS, fromMs, toMs: newest.startMs },
      limit: Math.ceil((hours * HOUR_MS) / sizeMs),
    })
    return json(
      `{"regionId":${newest.regionId},"window":"${nameOf(context)}","hours":${hours}` +
        `,"from":"${isoTime(fromMs)}","to":"${isoTime(newest.startMs + sizeMs)}"` +
        `,"windows":[${windows.map(windowJson).join(',')}]}`,
    )
  })

  routes.all('/metrics/*', () => detailResponse(404, 'Not Found'))
  return routes
}

/** All regions by their window of one same start: rankings of different minutes would say nothing. */
async function top(context: Asked, { ports }: ViewSetting): Promise<Response> {
  const inputs = new Inputs(context)
  const limit = inputs.queryWhole('limit', { default: 10, min: 1, max: TOP_MAX })
  const atMs = inputs.queryTime('at', timeMsOf)
  if (inputs.problems.length > 0) return invalid(inputs)
  const sizeS = sizeOf(context)
  if (sizeS === null) return detailResponse(400, UNSUPPORTED)
  const metric = context.req.query('metric') ?? 'trip_count'
  if (!isMetric(metric)) return detailResponse(400, UNKNOWN_METRIC)
  const sizeMs = sizeS * 1_000
  const askedMs = atMs === null ? null : Math.floor(atMs / sizeMs) * sizeMs
  const found = await windowsAt(ports, { sizeS, startMs: askedMs })
  const valueOf = TOP_METRICS[metric]
  const ranked = found
    .map((window) => ({ window, value: valueOf(window) }))
    .sort((a, b) => Number(b.value) - Number(a.value) || a.window.regionId - b.window.regionId)
    .slice(0, limit)
  const rows = ranked.map(
    ({ window, value }, index) =>
      `{"rank":${index + 1},"regionId":${window.regionId},"value":${value},"window":${windowJson(window)}}`,
  )
  const startMs = found[0]?.startMs
  const times =
    startMs === undefined
      ? '"windowStart":null,"windowEnd":null'
      : `"windowStart":"${isoTime(startMs)}","windowEnd":"${isoTime(startMs + sizeMs)}"`
  return json(
    `{"window":"${nameOf(context)}","metric":"${metric}",${times},"regions":[${rows.join(',')}]}`,
  )
}

function json(text: string): Response {
  return new Response(text, { headers: { 'content-type': 'application/json' } })
}

function invalid({ problems }: Inputs): Response {
  return detailResponse(422, problems)
}

function noKeys(region: bigint): string {
  return `No metrics found for region ${region}. No keys available.`
}

/** Any number may be asked for; only those that can be a region's are looked up. */
function regionOf(region: bigint): number | null {
  return region >= 1n && region <= BigInt(REGION_ID_MAX) ? Number(region) : null
}

function nameOf(context: Asked): string {
  return context.req.query('window') ?? '1m'
}

function sizeOf(context: Asked): WindowSizeS | null {
  const name = nameOf(context)
  return isWindowName(name) ? WINDOW_NAMES[name] : null
}

function isWindowName(name: string): name is WindowName {
  return Object.hasOwn(WINDOW_NAMES, name)
}

function isMetric(name: string): name is TopMetric {
  return Object.hasOwn(TOP_METRICS, name)
}

/** The words are StreamPulse's; a store that does not answer may be asked again. */
function failed(thrown: unknown, { ports }: ViewSetting): Response {
  if (thrown instanceof OrreryError && thrown.retriable) {
    return detailResponse(503, FAILED, retryAfter(RETRY_MS))
  }
  ports.log.error({ error: messageOf(thrown) }, 'region metrics not read')
  return detailResponse(500, FAILED)
}
