import { missing, SERVICES } from '../actors/testing/services.ts'
import type { Cleanup } from './load-process.ts'
import type { LoadProgress } from './load.ts'
import { isSound, measureScaled, type ScaledCase, type ScaledMeasured } from './scaled-case.ts'
import { loadAverage } from './scenario.ts'

/** What `--profile scaled` is asked for; null is its own default. */
export type ScaledWanted = Readonly<{
  seconds: number
  warmUpS: number
  rate: number | null
  vehicles: number | null
  partitions: number
  compression: string
  /** Pings in one message of a sender. */
  pings: number
  sockets: number | null
  framesInFlight: number | null
  only: string | null
  /** What else differs from the defaults. */
  settings: Readonly<Record<string, string>>
}>

export type ScaledTools = Readonly<{
  workDir: string
  say: (text: string) => void
  progressOf: (one: ScaledCase) => (progress: LoadProgress) => void
  onCleanup: Cleanup
}>

/** All cases by their names, and how busy the machine was. */
export type ScaledResult = Readonly<{
  cases: Readonly<Record<string, ScaledMeasured>>
  loadAverage: Readonly<{ before: number; after: number }>
  held: boolean
}>

/** Enough for every partition, few enough that a run of a minute hears each many times. */
const VEHICLES = 20_000
const IDLE_S_MAX = 30

/** The same load on every way to set it up: what a record of Kafka holds, by how many workers there are. */
export function scaledCases(wanted: ScaledWanted): readonly ScaledCase[] {
  const { seconds, warmUpS, rate, partitions, compression, pings, only } = wanted
  const { settings } = wanted
  const isSmall = pings < 10
  return (['frame', 'single'] as const)
    .flatMap((record) =>
      [1, 2].map((workers) => ({ name: `${record}-${workers}`, record, workers })),
    )
    .filter(({ name }) => only === null || name === only)
    .map((one) => ({
      ...{ ...one, seconds, warmUpS, rate, partitions, compression, settings, framePings: pings },
      vehicles: wanted.vehicles ?? VEHICLES,
      sockets: wanted.sockets ?? (isSmall ? 256 : 16),
      framesInFlight: wanted.framesInFlight ?? (isSmall ? 1 : 2),
      idleS: Math.min(IDLE_S_MAX, seconds),
    }))
}

/** Why it cannot run here: servers that are not installed. */
export function missingServers(): readonly string[] {
  return SERVICES.flatMap((name) => missing(name, process.env) ?? [])
}

/** Measures the cases one after the other, each on servers and folders of its own. */
export async function scaled(
  cases: readonly ScaledCase[],
  { workDir, say, progressOf, onCleanup }: ScaledTools,
): Promise<ScaledResult> {
  const before = loadAverage()
  const results: Record<string, ScaledMeasured> = {}
  for (const one of cases) {
    results[one.name] = await measureScaled(one, workDir, {
      ...{ say, onCleanup },
      onProgress: progressOf(one),
    })
  }
  const held = Object.values(results).every(isSound)
  return { cases: results, loadAverage: { before, after: loadAverage() }, held }
}
