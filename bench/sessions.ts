import { mkdirSync } from 'node:fs'
import { join } from 'node:path'

import { wireTime } from '../simulator/wire.ts'
import { BRONZE, countStore, SILVER, untilStored } from './count.ts'
import { runLoad } from './load-process.ts'
import { percentile } from './machine.ts'
import {
  loadAverage,
  MemoryWatch,
  round,
  type ScenarioOptions,
  type ScenarioResult,
  shown,
} from './scenario.ts'
import { type ServerUnderTest, startServer } from './server.ts'

const AWAKE_MAX = 50_000
/** Times that every session is heard, always in the same order: each ping but the first finds its actor put away. */
const ROUNDS = 4
const PROBES = 200
const STORED_MS_MAX = 300_000
const RUN_S_MAX = 3_600
/** Sessions that one question about their order looks at, about. */
const SESSIONS_AT_ONCE = 100_000

/**
 * Many more sessions than may be awake, each heard again when it has long been put away: memory is
 * bounded, coming back is quick, and no ping is lost, repeated or out of order.
 */
export async function sessions(options: ScenarioOptions): Promise<ScenarioResult> {
  const { say, onCleanup } = options
  const dataDir = join(options.workDir, 'sessions')
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const loadBefore = loadAverage()
  const awakeMax = Math.min(AWAKE_MAX, Math.floor(options.sessions / 20))
  const settings = { ACTORS_AWAKE_MAX: String(awakeMax) }
  const server = await startServer(dataDir, settings)
  onCleanup(async () => void (await server.stop()))
  const seeded = await askAll(server, 0)
  const memory = new MemoryWatch(server.pid)
  let second = 0
  let awakeMost = 0
  const load = await runLoad(
    {
      ...{ hostname: '127.0.0.1', ...server, vehicles: options.sessions, framePings: 50 },
      ...{ sockets: 16, framesInFlight: 2, rate: null, warmUpS: 1, seconds: RUN_S_MAX },
      ...{ rounds: ROUNDS, run: crypto.randomUUID() },
    },
    {
      onProgress({ acknowledged, perSecond }) {
        void server.metric('orrery_actors_awake').then((awake) => {
          awakeMost = Math.max(awakeMost, awake)
        })
        if (++second % 5 === 0)
          say(
            `sessions ${second} s  ${shown(acknowledged)} acknowledged  ${shown(perSecond)} pings/s  ${memory.over(1)[0]} MB`,
          )
      },
      onCleanup,
    },
  )
  if (load.lost !== '') throw new Error(`the load lost its connection: ${load.lost}`)
  const beforeProbes = load.acknowledged + PROBES
  say('sessions: waiting for the stores')
  await untilStored(server, beforeProbes, STORED_MS_MAX)
  const rssMb = memory.over(10)
  memory.stop()
  // The same pings' sessions, first long put away, then awake.
  const reactivatedMs = await askAll(server, 1)
  const awakeMs = await askAll(server, 2)
  const acknowledged = beforeProbes + 2 * PROBES
  await untilStored(server, acknowledged, STORED_MS_MAX)
  say('sessions: counting, and comparing the order of each session')
  const silver = await countStore(server, SILVER)
  const bronze = await countStore(server, BRONZE)
  const headers = await countOf(server, 'SELECT count() AS n FROM sessions_base')
  const outOfOrder = await countDisordered(server, options.sessions)
  const activation = async (share: number): Promise<number> =>
    server.metric('orrery_activation_ms', share)
  const figures = {
    ...{ sessions: options.sessions + PROBES, awakeMax, awakeMost, rounds: ROUNDS },
    pingsPerSecond: Math.round(load.measuredPings / load.measuredS),
    ...{ ackP50Ms: round(load.ackP50Ms), ackP99Ms: round(load.ackP99Ms), busy: load.busy },
    ...{ rssMb, rssMaxMb: memory.mostMb },
    activations: await server.metric('orrery_activation_ms_count'),
    ...{ activationP50Ms: await activation(0.5), activationP99Ms: await activation(0.99) },
    activationMaxMs: await activation(1),
    firstHandledP50Ms: round(percentile(seeded, 0.5)),
    reactivatedHandledP50Ms: round(percentile(reactivatedMs, 0.5)),
    reactivatedHandledP99Ms: round(percentile(reactivatedMs, 0.99)),
    awakeHandledP50Ms: round(percentile(awakeMs, 0.5)),
    awakeHandledP99Ms: round(percentile(awakeMs, 0.99)),
    ...{ acknowledged, headers, outOfOrder },
    lost: Math.max(0, acknowledged - Math.min(silver.unique, bronze.unique)),
    double: silver.rows - silver.unique + bronze.rows - bronze.unique,
    stopExitCode: await server.stop(),
    startsAgainS: await secondsToStart(dataDir, settings),
    loadAverage: { before: loadBefore, after: loadAverage() },
  }
  return {
    figures,
    rows: tableOf(figures),
    held:
      figures.lost === 0 &&
      figures.double === 0 &&
      outOfOrder === 0 &&
      headers === figures.sessions &&
      figures.activationP99Ms < 10,
  }
}

type Figures = Readonly<{
  [
    Name in
      | 'sessions'
      | 'awakeMax'
      | 'awakeMost'
      | 'rounds'
      | 'pingsPerSecond'
      | 'ackP50Ms'
      | 'ackP99Ms'
      | 'rssMaxMb'
      | 'activations'
      | 'activationP50Ms'
      | 'activationP99Ms'
      | 'activationMaxMs'
      | 'reactivatedHandledP50Ms'
      | 'reactivatedHandledP99Ms'
      | 'awakeHandledP50Ms'
      | 'awakeHandledP99Ms'
      | 'acknowledged'
      | 'headers'
      | 'outOfOrder'
      | 'lost'
      | 'startsAgainS'
      | 'double'
  ]: number
}> &
  Readonly<{
    rssMb: readonly number[]
    loadAverage: Readonly<{ before: number; after: number }>
  }>

function tableOf(of: Figures): ScenarioResult['rows'] {
  return [
    ['sessions seen; may be awake', `${shown(of.sessions)}; ${shown(of.awakeMax)}`],
    ['  awake at most', shown(of.awakeMost)],
    ['pings/s, each waking an actor', shown(of.pingsPerSecond)],
    ['acknowledged p50 / p99, ms', `${of.ackP50Ms} / ${of.ackP99Ms}`],
    ['memory (RSS) over time, tenths, MB', of.rssMb.join(', ')],
    ['  at most', shown(of.rssMaxMb)],
    [
      'load and decode a state p50 / p99 / max, ms (at most)',
      `${of.activationP50Ms} / ${of.activationP99Ms} / ${of.activationMaxMs}`,
    ],
    ['  timed (one in 16)', shown(of.activations)],
    [
      'sent → handled, actor put away p50 / p99, ms',
      `${of.reactivatedHandledP50Ms} / ${of.reactivatedHandledP99Ms}`,
    ],
    [
      'sent → handled, actor awake p50 / p99, ms',
      `${of.awakeHandledP50Ms} / ${of.awakeHandledP99Ms}`,
    ],
    ['acknowledged', shown(of.acknowledged)],
    ['lost; double', `${shown(of.lost)}; ${shown(of.double)}`],
    ['headers in the store', shown(of.headers)],
    ['sessions out of order, or with another sum of distances', shown(of.outOfOrder)],
    ['stopped and started again, ready after, s', shown(of.startsAgainS)],
    ['load average before / after', `${of.loadAverage.before} / ${of.loadAverage.after}`],
  ]
}

/** One ping for each of the probes' own sessions, one after another; from sending until its turn was over. */
async function askAll(server: ServerUnderTest, round: number): Promise<readonly number[]> {
  const took: number[] = []
  for (let index = 0; index < PROBES; index++) {
    const fromMs = performance.now()
    const response = await fetch(`http://127.0.0.1:${server.port}/ingest?duplicates=count`, {
      method: 'POST',
      headers: { authorization: `Bearer ${server.key}`, 'content-type': 'application/json' },
      body: probePing(index, round),
    })
    const answer = await response.text()
    if (!response.ok || !answer.includes('"duplicates":0'))
      throw new Error(`a probe was answered ${response.status} ${answer.slice(0, 200)}`)
    took.push(performance.now() - fromMs)
  }
  return took
}

function probePing(index: number, round: number): string {
  const id = `reactivation-probe-${index}`
  return JSON.stringify({
    ...{ device_id: id, vehicle_id: id, session_id: id, order_id: id },
    ...{ status: round === 0 ? 'started' : 'en_route', timestamp: wireTime(Date.now()) },
    ...{ start_lat: 37.98, start_lon: 23.72, end_lat: 38.01, end_lon: 23.76 },
    ...{ current_lat: 37.98 + round * 1e-4, current_lon: 23.73 },
  })
}

async function secondsToStart(
  dataDir: string,
  settings: Readonly<Record<string, string>>,
): Promise<number> {
  const fromMs = performance.now()
  const server = await startServer(dataDir, settings)
  const seconds = (performance.now() - fromMs) / 1_000
  await server.stop()
  return round(seconds)
}

async function countOf(server: ServerUnderTest, sql: string): Promise<number> {
  const [row] = await server.sql(sql)
  return Number(row?.n ?? Number.NaN)
}

/** Sessions whose pings were not handled in the order in which they were sent, or whose running sum is wrong. */
async function countDisordered(server: ServerUnderTest, all: number): Promise<number> {
  const parts = Math.max(1, Math.ceil(all / SESSIONS_AT_ONCE))
  let found = 0
  for (let part = 0; part < parts; part++)
    found += await countOf(
      server,
      `SELECT count() AS n FROM (
         SELECT arraySort(groupArray((offset, event_time_us, distance_cm, travelled_cm))) AS turns
         FROM session_movements WHERE sipHash64(session_id) % ${parts} = ${part} GROUP BY session_id)
       WHERE arraySort(turns.2) != turns.2 OR arrayCumSum(turns.3) != turns.4`,
    )
  return found
}
