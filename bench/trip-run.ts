import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'

import type { TripsOptions } from '../simulator/trips.ts'
import { asRecord, parseJson } from '../simulator/wire.ts'
import type { Cleanup } from './load-process.ts'
import { cpuBetween, type CpuUse, cpuUse, machineCpu } from './processes.ts'
import { MemoryWatch } from './scenario.ts'
import { type ServerUnderTest, type Settings, startServer } from './server.ts'
import { BRONZE_TRIPS, countRows } from './trip-checks.ts'
import type { TripLoadMessage, TripLoadResult } from './trip-load.ts'

/** How trips are sent. */
export type TripLoadShape = Readonly<{
  trips: TripsOptions
  bodyTrips: number
  connections: number
  ahead: number
}>

/** What a replay came to, from its first body until all stores had everything. */
export type TripRun = Readonly<{
  load: TripLoadResult
  tripsPerSecond: number
  /** From the last acknowledgement until every store had everything. */
  drainS: number
  cpuUsPerTrip: number
  cpu: CpuUse
  tookS: number
  machineBusyPercent: number
  /** While it was sent, and until it was stored; in tenths of that time, megabytes. */
  rssMb: readonly number[]
  rssMaxMb: number
}>

const STORED_MS_MAX = 120_000
const POLL_MS = 100

/** A server on an empty folder of its own. */
export async function freshServer(
  options: Readonly<{ workDir: string; onCleanup: Cleanup; onServerEnded: (why: string) => void }>,
  name: string,
  settings: Settings = {},
): Promise<Readonly<{ server: ServerUnderTest; end: () => Promise<number> }>> {
  const dataDir = join(options.workDir, name)
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const server = await startServer(dataDir, settings)
  let ending = false
  const end = async (): Promise<number> => {
    ending = true
    const code = await server.stop()
    rmSync(dataDir, { recursive: true, force: true })
    return code
  }
  options.onCleanup(async () => void (await end()))
  void server.ended.then((why) => {
    if (!ending) options.onServerEnded(why)
  })
  return { server, end }
}

/** Sends trips from a process of their own and waits until they are stored; `before` rows were sent before. */
export async function runTrips(
  server: ServerUnderTest,
  shape: TripLoadShape,
  options: Readonly<{ onCleanup: Cleanup; before?: number }>,
): Promise<TripRun> {
  const { before = 0 } = options
  let began: { cpu: CpuUse; machine: ReturnType<typeof machineCpu>; atMs: number } | null = null
  let memory: MemoryWatch | null = null
  const load = await runTripLoad(server, shape, options.onCleanup, () => {
    began = { cpu: cpuUse(server.pid), machine: machineCpu(), atMs: performance.now() }
    memory = new MemoryWatch(server.pid)
  })
  const loadedMs = performance.now()
  await untilTripsStored(server, before + load.acknowledged)
  const endedMs = performance.now()
  const from = began ?? { cpu: cpuUse(server.pid), machine: machineCpu(), atMs: endedMs }
  const watch: MemoryWatch = memory ?? new MemoryWatch(server.pid)
  watch.stop()
  const cpu = cpuBetween(from.cpu, cpuUse(server.pid))
  const machine = machineCpu()
  const busyUs = machine.busyUs - from.machine.busyUs
  const allUs = busyUs + machine.idleUs - from.machine.idleUs
  return {
    load,
    tripsPerSecond: load.acknowledged / load.seconds,
    drainS: (endedMs - loadedMs) / 1_000,
    cpuUsPerTrip: cpu.totalUs / load.acknowledged,
    cpu,
    tookS: (endedMs - from.atMs) / 1_000,
    machineBusyPercent: (busyUs / allUs) * 100,
    rssMb: watch.over(10),
    rssMaxMb: watch.mostMb,
  }
}

/** Makes every open window final, as the end of a recording does. */
export async function flushTrips({ port, key }: ServerUnderTest): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${port}/ingest/trips/flush`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}` },
  })
  if (!response.ok)
    throw new Error(`the flush was answered ${response.status} ${await response.text()}`)
}

/** Bronze holds each row as it came, repeats included; a question about it waits for silver and the windows too. */
async function untilTripsStored(server: ServerUnderTest, rows: number): Promise<void> {
  const endMs = performance.now() + STORED_MS_MAX
  for (;;) {
    const stored = await countRows(server, BRONZE_TRIPS)
    if (stored >= rows) return
    if (performance.now() > endMs) throw new Error(`bronze has ${stored} of ${rows} trips`)
    await Bun.sleep(POLL_MS)
  }
}

async function runTripLoad(
  { port, key }: ServerUnderTest,
  { trips, bodyTrips, connections, ahead }: TripLoadShape,
  onCleanup: Cleanup,
  onReady: () => void,
): Promise<TripLoadResult> {
  const told = {
    ...{ hostname: '127.0.0.1', port, key },
    ...{ trips, bodyTrips, connections, ahead },
  }
  const child = Bun.spawn(
    [process.execPath, join(import.meta.dir, 'trip-load.ts'), JSON.stringify(told)],
    { stdout: 'pipe', stderr: 'inherit' },
  )
  onCleanup(() => child.kill('SIGKILL'))
  let rest = ''
  let result: TripLoadResult | null = null
  const decoder = new TextDecoder()
  for await (const chunk of child.stdout) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      const message = readMessage(line)
      if (message?.kind === 'ready') onReady()
      else if (message) result = message
    }
  }
  if (!result) throw new Error(`the load ended with code ${await child.exited} and no result`)
  return result
}

/** The load is our own process and speaks only these two words. */
function readMessage(line: string): TripLoadMessage | null {
  const message = asRecord(parseJson(line))
  return message?.kind === 'ready' || message?.kind === 'result'
    ? (message as TripLoadMessage)
    : null
}
