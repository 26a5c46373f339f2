import { mkdirSync } from 'node:fs'
import { join } from 'node:path'

import { BRONZE, countStore, SILVER, untilStored } from './count.ts'
import { writeJournal } from './journal-writer.ts'
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
import { SteadySender } from './steady.ts'

/** From kill -9, at most. */
const ACCEPTS_S_MAX = 30
const REPLAY_S_MAX = 1_800
const POLL_MS = 250
const VEHICLES = 100_000
/** Longer than a checkpoint's interval, so that one was taken under load. */
const SERVED_S = 45

const NO_CHECKPOINTS = { SNAPSHOT_INTERVAL_MS: '3600000' }

/** One restart. */
type Restart = Readonly<{
  /** From the start of the program until it had acknowledged a ping. */
  acceptsS: number
  /** Until everything that the journal held was handled. */
  replayedS: number
  replayed: number
  /** What a vehicle saw while the rest was replayed. */
  ackP50Ms: number
  ackP99Ms: number
  rssMaxMb: number
}>

/**
 * kill -9 and a start over a long journal, three times: the stores have nothing of it; they have all of
 * it, but no state was ever saved; and checkpoints were taken as usual.
 */
export async function restart(options: ScenarioOptions): Promise<ScenarioResult> {
  const { say, onCleanup, records } = options
  const dataDir = join(options.workDir, 'restart')
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const loadBefore = loadAverage()
  // It makes the folder what it has to be.
  await (await startServer(dataDir)).stop()
  say(`restart: writing a journal of ${shown(records)} messages`)
  await writeJournal(join(dataDir, 'journal'), records, VEHICLES)
  let acknowledged = records

  const again = async (name: string, settings: Readonly<Record<string, string>>) => {
    say(`restart: ${name}`)
    const one = await measureRestart(dataDir, settings, options)
    acknowledged += one.accepted
    return one
  }
  const empty = await again('nothing of it is in the stores', NO_CHECKPOINTS)
  await untilStored(empty.server, acknowledged, REPLAY_S_MAX * 1_000)
  await empty.server.kill()
  const unsaved = await again('all of it is in the stores, and no state was saved', NO_CHECKPOINTS)
  await unsaved.server.stop()

  say(`restart: ${SERVED_S} s at full load, then kill -9`)
  const served = await startServer(dataDir)
  onCleanup(() => served.kill())
  const load = runLoad(
    {
      ...{ hostname: '127.0.0.1', ...served, vehicles: VEHICLES, framePings: 50, sockets: 16 },
      ...{ framesInFlight: 2, rate: null, warmUpS: 1, seconds: SERVED_S + 60, rounds: null },
      run: crypto.randomUUID(),
    },
    { onProgress: () => {}, onCleanup },
  )
  await Bun.sleep(SERVED_S * 1_000)
  await served.kill()
  acknowledged += (await load).acknowledged
  const usual = await again('checkpoints were taken as usual', {})
  const { server } = usual
  await untilStored(server, acknowledged, 60_000)
  say('restart: counting')
  const silver = await countStore(server, SILVER)
  const bronze = await countStore(server, BRONZE)
  const lost = Math.max(0, acknowledged - Math.min(silver.unique, bronze.unique))
  const double = silver.rows - silver.unique + bronze.rows - bronze.unique
  await server.stop()
  const cases = { empty: empty.restart, unsaved: unsaved.restart, usual: usual.restart }
  const slowestS = Math.max(...Object.values(cases).map(({ acceptsS }) => acceptsS))
  return {
    figures: {
      ...{ records, ...cases, acknowledged, lost, double },
      loadAverage: { before: loadBefore, after: loadAverage() },
    },
    rows: [
      ...rowsOf('nothing in the stores', empty.restart),
      ...rowsOf('all in the stores, no checkpoint', unsaved.restart),
      ...rowsOf('checkpoints as usual, at full load', usual.restart),
      ['acknowledged in all', shown(acknowledged)],
      ['lost; double', `${shown(lost)}; ${shown(double)}`],
      ['load average before / after', `${loadBefore} / ${loadAverage()}`],
    ],
    held: lost === 0 && double === 0 && slowestS <= ACCEPTS_S_MAX,
  }
}

function rowsOf(name: string, one: Restart): ScenarioResult['rows'] {
  const perSecond = Math.round(one.replayed / Math.max(0.001, one.replayedS))
  return [
    [`${name}: accepting again after, s`, shown(one.acceptsS)],
    ['  messages replayed', shown(one.replayed)],
    ['  replayed after, s (messages/s)', `${shown(one.replayedS)} (${shown(perSecond)})`],
    [
      '  meanwhile a vehicle: acknowledged p50 / p99, ms',
      `${shown(one.ackP50Ms)} / ${shown(one.ackP99Ms)}`,
    ],
    ['  memory (RSS) at most, MB', shown(one.rssMaxMb)],
  ]
}

async function measureRestart(
  dataDir: string,
  settings: Readonly<Record<string, string>>,
  { say, onCleanup }: ScenarioOptions,
): Promise<Readonly<{ server: ServerUnderTest; restart: Restart; accepted: number }>> {
  const startedMs = performance.now()
  const server = await startServer(dataDir, settings)
  onCleanup(() => server.kill())
  const steady = new SteadySender(server)
  await steady.start()
  while (steady.acknowledged === 0 && steady.lost === '') await Bun.sleep(5)
  const acceptsS = (performance.now() - startedMs) / 1_000
  const memory = new MemoryWatch(server.pid)
  const total = await server.metric('orrery_replay_messages')
  let sinceSaidMs = performance.now()
  let left = total
  while (left > 0 && performance.now() - startedMs < REPLAY_S_MAX * 1_000) {
    left = await server.metric('orrery_replay_behind')
    if (performance.now() - sinceSaidMs > 10_000) {
      sinceSaidMs = performance.now()
      say(`restart: ${shown(left)} of ${shown(total)} left`)
    }
    await Bun.sleep(POLL_MS)
  }
  const replayedS = (performance.now() - startedMs) / 1_000
  await steady.stop()
  memory.stop()
  if (steady.lost !== '') throw new Error(`the vehicle was cut off: ${steady.lost}`)
  const ackMs = steady.ackMs(startedMs)
  return {
    server,
    accepted: steady.acknowledged,
    restart: {
      ...{ acceptsS: round(acceptsS), replayedS: round(replayedS), replayed: total - left },
      ackP50Ms: round(percentile(ackMs, 0.5)),
      ackP99Ms: round(percentile(ackMs, 0.99)),
      rssMaxMb: memory.mostMb,
    },
  }
}
