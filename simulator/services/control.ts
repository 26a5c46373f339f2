import { mkdirSync } from 'node:fs'
import { join } from 'node:path'

import type { Clock } from '../../actors/kernel/clock.ts'
import { OrreryError } from '../../actors/kernel/errors.ts'
import { catalogPlan, kafkaPlan, redisPlan, s3Place, s3Plan } from '../../actors/testing/plans.ts'
import { freePort, type ServerPlan, ServerProcess } from '../../actors/testing/server-process.ts'
import {
  type Environment,
  missing,
  type ServiceName,
  SERVICES,
} from '../../actors/testing/services.ts'
import { locked } from './lock.ts'
import { endProcess, isOurs } from './pids.ts'
import { type Kept, readState, type State, withService, writeState } from './state.ts'

const BUCKET = 'lake'
const WAREHOUSE = `s3://${BUCKET}/wh`

export type ControlOptions = Readonly<{
  dir: string
  /** With the cache in it, so that programs and jars are found. */
  env: Environment
  clock: Clock
  say: (text: string) => void
}>

/** One service as it is now. */
export type Status = Readonly<{
  service: ServiceName
  pid: number | null
  /** Null before the first start. */
  port: number | null
  /** Why it could not start, as a sentence. */
  missing: string | null
  logFile: string
}>

/** Starts what does not run yet and waits until each serves; they outlive this process. */
export async function startServices(
  services: readonly ServiceName[],
  ports: ReadonlyMap<ServiceName, number>,
  options: ControlOptions,
): Promise<void> {
  await alone(options, async () => {
    for (const service of services) await startService(service, ports.get(service), options)
  })
}

/** Ends what runs, the last started first; their data stays. */
export async function stopServices(
  services: readonly ServiceName[],
  options: ControlOptions,
): Promise<void> {
  const { dir, clock, say } = options
  await alone(options, async () => {
    for (const service of services.toReversed()) {
      const kept = readState(dir).services[service]
      const ended =
        typeof kept?.pid === 'number' && (await endProcess(kept.pid, join(dir, service), clock))
      if (kept) writeState(dir, withService(readState(dir), service, { ...kept, pid: null }))
      say(ended ? `${service}: stopped` : `${service}: did not run`)
    }
  })
}

/** How each service is. */
export function statusOfServices(
  services: readonly ServiceName[],
  { dir, env }: Pick<ControlOptions, 'dir' | 'env'>,
): readonly Status[] {
  const state = readState(dir)
  return services.map((service) => ({
    service,
    pid: runningPid(service, state, dir),
    port: state.services[service]?.port ?? null,
    missing: missing(service, env),
    logFile: join(dir, service, 'log'),
  }))
}

/** Settings for Orrery of the services that run, keys included. */
export function settingsOf(dir: string): Readonly<Record<string, string>> {
  const state = readState(dir)
  const { accessKey, secretKey, redisPassword } = state
  const port = (service: ServiceName): number | null =>
    runningPid(service, state, dir) === null ? null : (state.services[service]?.port ?? null)
  const [kafka, redis, s3, catalog] = SERVICES.map(port)
  return {
    ...(kafka && { KAFKA_BOOTSTRAP_SERVERS: `127.0.0.1:${kafka}` }),
    ...(redis && { REDIS_URL: `redis://:${redisPassword}@127.0.0.1:${redis}` }),
    ...(s3 && {
      MINIO_ENDPOINT: `http://127.0.0.1:${s3}`,
      MINIO_ACCESS_KEY: accessKey,
      MINIO_SECRET_KEY: secretKey,
      AWS_REGION: s3Place(s3, { accessKey, secretKey }, BUCKET).region,
      ICEBERG_WAREHOUSE: WAREHOUSE,
    }),
    ...(catalog && { ICEBERG_REST_URL: `http://127.0.0.1:${catalog}` }),
  }
}

async function startService(
  service: ServiceName,
  asked: number | undefined,
  { dir, env, clock, say }: ControlOptions,
): Promise<void> {
  const state = readState(dir)
  const before = state.services[service]
  if (before && runningPid(service, state, dir) !== null) {
    if (asked !== undefined && asked !== before.port) {
      const message = `${service} runs on port ${before.port} already: stop it first`
      throw new OrreryError('service_running', message)
    }
    return say(`${service}: runs already`)
  }
  const kept: Kept = {
    port: asked ?? before?.port ?? (await freePort()),
    controllerPort: before?.controllerPort ?? (await freePort()),
    pid: null,
  }
  const beganMs = clock.monotonicMs()
  const plan = planOf(service, kept, state, { dir, env })
  await new ServerProcess(plan, clock).start({
    detached: true,
    onSpawn: (pid) => writeState(dir, withService(readState(dir), service, { ...kept, pid })),
  })
  const tookS = ((clock.monotonicMs() - beganMs) / 1_000).toFixed(1)
  say(`${service}: serves on port ${kept.port} after ${tookS} s`)
}

function planOf(
  service: ServiceName,
  { port, controllerPort }: Kept,
  state: State,
  { dir, env }: Pick<ControlOptions, 'dir' | 'env'>,
): ServerPlan {
  // Kept before the first start, so that keys are the same whatever becomes of it.
  writeState(dir, state)
  const options = { env, port, dir: join(dir, service) }
  switch (service) {
    case 'kafka':
      return kafkaPlan({ ...options, controllerPort })
    case 'redis':
      return redisPlan({ ...options, password: state.redisPassword })
    case 's3':
      return s3Plan({ ...options, keys: state, buckets: [BUCKET] })
    case 'catalog': {
      const s3 = s3Place(state.services.s3?.port ?? 0, state, BUCKET)
      return catalogPlan({ ...options, s3, warehouse: WAREHOUSE })
    }
  }
}

function runningPid(service: ServiceName, state: State, dir: string): number | null {
  const pid = state.services[service]?.pid ?? null
  return pid !== null && isOurs(pid, join(dir, service)) ? pid : null
}

/** One run at a time changes a folder. */
function alone(options: ControlOptions, work: () => Promise<void>): Promise<void> {
  const { dir, clock, say } = options
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const onWait = (): void => say(`waiting for another run in ${dir}`)
  return locked(join(dir, 'lock'), clock, onWait, work)
}
