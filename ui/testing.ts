import type { RegionsDelta, RegionsSnapshot } from '../actors/model/live-regions.ts'
import { RegionMap } from '../actors/model/region-map.ts'
import {
  type RegionTotals,
  type RegionWindow,
  WINDOW_SIZES_S,
  type WindowSizeS,
} from '../actors/model/window.ts'
import { buildPages } from './build.ts'

/** The event time up to which the figures for tests go; in 2025, as a replay's would. */
export const TEST_NOW_MS = Date.UTC(2025, 7, 17, 7, 2, 40)
const WATERMARK_MS = TEST_NOW_MS - 300_001

/** A window with ordinary figures, for tests. */
export function testWindow(change: Partial<RegionWindow> = {}): RegionWindow {
  const tripCount = change.tripCount ?? 10
  return {
    regionId: 1,
    sizeS: 60,
    startMs: 0,
    tripCount,
    totalFare: tripCount * 21.4,
    avgFare: 21.4,
    minFare: 4,
    maxFare: 60,
    totalDistance: tripCount * 6.2,
    minDistance: 0.4,
    maxDistance: 22,
    avgDuration: 960,
    minDuration: 90,
    maxDuration: 3_000,
    p50Duration: 900,
    p95Duration: 2_100,
    lateCount: 0,
    final: true,
    revision: 0,
    ...change,
  }
}

/** What a region has had, for tests. */
export function testTotals(change: Partial<RegionTotals> = {}): RegionTotals {
  return {
    ...{ regionId: 1, trips: 100, duplicates: 0, late: 0, tooLate: 0, newestMs: 0 },
    ...change,
  }
}

/** A city of so many regions with an hour behind it; the same each time. Every seventh region, from the second, is late. */
export function testCity(regionCount: number): RegionsSnapshot {
  const windows: RegionWindow[] = []
  const regions: RegionTotals[] = []
  for (let index = 0; index < regionCount; index += 1) {
    const regionId =
      regionCount > 10 ? index + 1 : ([34, 45, 46, 55, 66, 44, 56, 35, 54, 36][index] ?? 1)
    const late = index % 7 === 1
    for (const sizeS of WINDOW_SIZES_S) windows.push(...testSeries(regionId, sizeS, late))
    regions.push(
      testTotals({
        ...{ regionId, newestMs: TEST_NOW_MS },
        ...{ trips: 2_000 + regionId * 31, duplicates: regionId % 5 },
        ...(late ? { late: 240 - index, tooLate: 40 } : { late: index % 3 }),
      }),
    )
  }
  return { nowMs: TEST_NOW_MS + 400, watermarkMs: WATERMARK_MS, regions, windows }
}

function testSeries(regionId: number, sizeS: WindowSizeS, late: boolean): RegionWindow[] {
  const sizeMs = sizeS * 1_000
  const lastMs = Math.floor(TEST_NOW_MS / sizeMs) * sizeMs
  const [row, column] = [Math.floor((regionId - 1) / 10), (regionId - 1) % 10]
  const near = Math.exp(-((row - 4.6) ** 2 + (column - 4.4) ** 2) / 9)
  return Array.from({ length: 60 }, (_, index) => {
    const startMs = lastMs - (59 - index) * sizeMs
    const wave = 1 + 0.35 * Math.sin(index / 7 + regionId) + 0.12 * Math.sin(index * 2.3 + regionId)
    const done = Math.min(1, (TEST_NOW_MS - startMs) / sizeMs)
    const tripCount = Math.round((1.2 + 7 * near) * wave * done * (sizeS / 60))
    const final = startMs + sizeMs - 1 <= WATERMARK_MS
    const lateCount = final && late && index % 5 < 3 ? Math.ceil(tripCount * 0.14) : 0
    return testWindow({
      ...{ regionId, sizeS, startMs, tripCount, final, lateCount, revision: lateCount },
      avgFare: 12 + ((regionId * 7) % 23) + wave,
      totalFare: tripCount * (12 + ((regionId * 7) % 23) + wave),
      avgDuration: 500 + ((regionId * 37) % 700),
      p95Duration: 1_500 + ((regionId * 53) % 1_900),
    })
  }).filter(({ tripCount }) => tripCount > 0)
}

/** Serves the regions page with figures made up for tests, under the policy that the gateway sets. */
export async function serveRegions(
  snapshot: RegionsSnapshot,
): Promise<Readonly<{ url: string; say(delta: RegionsDelta): void; cut(): void; stop(): void }>> {
  const pages = await buildPages()
  const map = RegionMap.ofGrid()
  const open = new Set<ReadableStreamDefaultController<string>>()
  let seq = 1
  const frame = (event: string, value: unknown): string =>
    `event: ${event}\nid: test-${seq}\ndata: ${JSON.stringify(value)}\n\n`
  const stream = (): Response => {
    let own: ReadableStreamDefaultController<string>
    const body = new ReadableStream<string>({
      start(controller) {
        own = controller
        open.add(own)
        own.enqueue(`retry: 200\n\n${frame('snapshot', snapshot)}`)
      },
      cancel: () => void open.delete(own),
    })
    return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
  }
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    idleTimeout: 0,
    fetch(request) {
      const { pathname, searchParams } = new URL(request.url)
      const asset = pages.asset(pathname)
      if (asset)
        return new Response(Uint8Array.from(asset.body), {
          headers: { 'content-type': asset.type },
        })
      if (pathname === '/live/regions') return stream()
      if (pathname === '/api/regions/map') return Response.json(map.toGeoJson())
      if (pathname === '/api/regions/deliveries') return Response.json(testDeliveries(snapshot))
      if (pathname === '/api/regions/windows') {
        const [regionId, startMs] = [
          Number(searchParams.get('region')),
          Number(searchParams.get('to')),
        ]
        return Response.json({ windows: [testWindow({ regionId, sizeS: 300, startMs })] })
      }
      if (pathname !== '/regions') return new Response('Not found', { status: 404 })
      return new Response(pages.regions({}), {
        headers: { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': POLICY },
      })
    },
  })
  return {
    url: `http://127.0.0.1:${server.port}/regions`,
    say(delta) {
      seq += 1
      for (const each of open) each.enqueue(frame('delta', delta))
    },
    cut() {
      for (const each of open) each.close()
      open.clear()
    },
    stop: () => void server.stop(true),
  }
}

const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "font-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
].join('; ')

function testDeliveries(snapshot: RegionsSnapshot): unknown {
  return {
    deliveries: snapshot.regions.map(({ regionId }) => ({
      regionId,
      startMs: Date.UTC(2025, 7, 17, 7),
      active: (regionId * 13) % 40,
      completed: (regionId * 5) % 17,
      meanSpeedKmh: 15 + ((regionId * 11) % 30),
    })),
  }
}
