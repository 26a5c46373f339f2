import type { RegionWindow } from '../actors/model/window.ts'
import { TripMaker } from '../simulator/trips.ts'
import { asRecord, firstNumber, parseJson } from '../simulator/wire.ts'
import type { ServerUnderTest } from './server.ts'

/** From sending a trip until a window with it was seen, milliseconds. */
export type Visible = Readonly<{
  /** In the stream of the regions page. */
  streamMs: readonly number[]
  /** In the answer of `GET /metrics/region/{id}`, asked again and again. */
  pollMs: readonly number[]
  /** Sent, and in the stream not seen by the end. */
  unseen: number
}>

const MINUTE_MS = 60_000
/** Regions 1 to 5 are left to other traffic. */
const REGION_FIRST = 6
const POLLED_REGION = 100
const POLL_EVERY_MS = 5
const SEEN_MS_MAX = 10_000

/** Which trips wait to be seen: the third of a region's minute is in its window when that shows three. */
export class Unseen {
  readonly #sentMs = new Map<string, number[]>()
  readonly #seen = new Map<string, number>()
  readonly tookMs: number[] = []

  sent(regionId: number, startMs: number, atMs: number): void {
    const key = `${regionId} ${startMs}`
    const sent = this.#sentMs.get(key)
    if (sent) sent.push(atMs)
    else this.#sentMs.set(key, [atMs])
  }

  /** A window was seen with so many trips. */
  seen(regionId: number, startMs: number, tripCount: number, atMs: number): void {
    const key = `${regionId} ${startMs}`
    const before = this.#seen.get(key) ?? 0
    if (tripCount <= before) return
    for (const sentMs of this.#sentMs.get(key)?.slice(before, tripCount) ?? [])
      this.tookMs.push(atMs - sentMs)
    this.#seen.set(key, tripCount)
  }

  get waiting(): number {
    let sent = 0
    for (const times of this.#sentMs.values()) sent += times.length
    return sent - this.tookMs.length
  }
}

/** Sends trips that happen now, one by one, `rate` a second, and looks when a window shows each. */
export async function measureVisible(
  server: ServerUnderTest,
  options: Readonly<{ rate: number; seconds: number; seed: number }>,
): Promise<Visible> {
  const maker = new TripMaker(options.seed, 1)
  const run = crypto.randomUUID().slice(0, 8)
  const unseen = new Unseen()
  const ending = new AbortController()
  const watching = watch(server, unseen, ending.signal)
  let [sent, failed] = [0, '']
  const send = (regionId: number, nowMs: number): Promise<void> => {
    const trip = { ...maker.make(`probe_${run}_${sent++}`, nowMs), region_id: regionId }
    return post(server, JSON.stringify(trip)).catch((cause: unknown) => {
      failed ||= String(cause)
    })
  }
  const endMs = performance.now() + options.seconds * 1_000
  const polled = poll(server, endMs, send)
  const startedMs = performance.now()
  for (let n = 0; performance.now() < endMs && failed === ''; n++) {
    const dueMs = startedMs + (n * 1_000) / options.rate
    if (dueMs > performance.now()) await Bun.sleep(dueMs - performance.now())
    const regionId = REGION_FIRST + (n % (POLLED_REGION - REGION_FIRST))
    const nowMs = Date.now()
    unseen.sent(regionId, Math.floor(nowMs / MINUTE_MS) * MINUTE_MS, performance.now())
    void send(regionId, nowMs)
  }
  const pollMs = await polled
  const lastMs = performance.now() + SEEN_MS_MAX
  while (unseen.waiting > 0 && performance.now() < lastMs) await Bun.sleep(10)
  ending.abort()
  await watching
  if (failed !== '') throw new Error(`a trip was not taken: ${failed}`)
  return { streamMs: unseen.tookMs, pollMs, unseen: unseen.waiting }
}

/** One trip after another into a region of its own, each asked for until its window shows it. */
async function poll(
  server: ServerUnderTest,
  endMs: number,
  send: (regionId: number, nowMs: number) => Promise<void>,
): Promise<readonly number[]> {
  const tookMs: number[] = []
  let [minute, count] = [-1, 0]
  while (performance.now() < endMs) {
    const nowMs = Date.now()
    const startMs = Math.floor(nowMs / MINUTE_MS) * MINUTE_MS
    count = startMs === minute ? count + 1 : 1
    minute = startMs
    const fromMs = performance.now()
    void send(POLLED_REGION, nowMs)
    for (;;) {
      const shown = await latest(server, POLLED_REGION)
      if (shown && shown.startMs === startMs && shown.tripCount >= count) break
      if (performance.now() - fromMs > SEEN_MS_MAX) break
      await Bun.sleep(POLL_EVERY_MS)
    }
    tookMs.push(performance.now() - fromMs)
  }
  return tookMs
}

async function latest(
  { port }: ServerUnderTest,
  regionId: number,
): Promise<Pick<RegionWindow, 'startMs' | 'tripCount'> | null> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics/region/${regionId}`)
  const window = asRecord(parseJson(await response.text()))
  const tripCount = firstNumber(window?.tripCount)
  if (!response.ok || tripCount === null) return null
  return { startMs: Date.parse(String(window?.windowStart)), tripCount }
}

async function post({ port, key }: ServerUnderTest, body: string): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${port}/ingest/trips`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body,
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`HTTP ${response.status} ${text.slice(0, 200)}`)
}

/** Reads the regions page's stream as a browser does. */
async function watch(
  { port }: ServerUnderTest,
  unseen: Unseen,
  signal: AbortSignal,
): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${port}/live/regions`, { signal })
  if (!response.ok || !response.body) throw new Error(`/live/regions: HTTP ${response.status}`)
  const decoder = new TextDecoder()
  let rest = ''
  try {
    for await (const chunk of response.body) {
      const events = (rest + decoder.decode(chunk, { stream: true })).split('\n\n')
      rest = events.pop() ?? ''
      const atMs = performance.now()
      for (const event of events)
        for (const window of minutesOf(event))
          unseen.seen(window.regionId, window.startMs, window.tripCount, atMs)
    }
  } catch (cause) {
    if (!signal.aborted) throw cause
  }
}

type Minute = Pick<RegionWindow, 'regionId' | 'startMs' | 'tripCount'>

/** The one-minute windows of a snapshot or a delta. */
export function minutesOf(event: string): readonly Minute[] {
  const line = event.split('\n').find((one) => one.startsWith('data:'))
  const windows = line === undefined ? null : asRecord(parseJson(line.slice(5)))?.windows
  if (!Array.isArray(windows)) return []
  return windows.flatMap((window: unknown) => {
    const { regionId, sizeS, startMs, tripCount } = asRecord(window) ?? {}
    return sizeS === 60
      ? [{ regionId: Number(regionId), startMs: Number(startMs), tripCount: Number(tripCount) }]
      : []
  })
}
