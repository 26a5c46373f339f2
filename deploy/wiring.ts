import { systemClock } from '../actors/kernel/clock.ts'
import { OrreryError } from '../actors/kernel/errors.ts'
import { Telemetry } from '../actors/kernel/telemetry.ts'
import type { Log } from '../actors/kernel/telemetry.ts'
import { createControlApp, serveControl } from '../gateway/control.ts'
import { errorResponse } from '../gateway/http-error.ts'
import { IngestHttp } from '../gateway/ingest-http.ts'
import { Intake } from '../gateway/intake.ts'
import { PINGS, TRIPS } from '../gateway/item-kind.ts'
import { Keys } from '../gateway/keys.ts'
import type { GatewayPorts } from '../gateway/ports.ts'
import { JournalPositions } from '../gateway/relay/positions.ts'
import { startServer } from '../gateway/server.ts'
import { TripsFlush } from '../gateway/trips-flush.ts'
import { runConsoleQuery } from '../sinks/clickhouse/console.ts'
import { DeliveryHistory } from '../sinks/clickhouse/deliveries.ts'
import { ClickHouseReader } from '../sinks/clickhouse/reader.ts'
import { migrate } from '../sinks/clickhouse/schema.ts'
import { WindowHistory } from '../sinks/clickhouse/windows.ts'
import { prometheusText } from '../sinks/metrics/prometheus.ts'
import { buildPages } from '../ui/build.ts'
import { showCounts } from './counts.ts'
import { Demo } from './demo.ts'
import { processOf } from './health.ts'
import { EventLoopLag } from './lag.ts'
import { LiveRegions, readRegionMap } from './live-regions.ts'
import { Live } from './live.ts'
import { gatewayOptions } from './options.ts'
import { Parts } from './patience.ts'
import { openPipeline, type Pipeline } from './pipeline.ts'
import type { Running, StartOptions } from './running.ts'
import type { Config } from './settings.ts'
import { ensureBronzeViews, hasStoresOutside, openEngine } from './stores.ts'
import { serveWaiting } from './waiting.ts'

/** Relative to the data folder, where the process works: the path of a Unix socket must be short. */
const CONTROL_SOCKET = 'control.sock'
const FLUSH_MS_MAX = 30_000
/** A question waits no longer for what is on its way to the stores. */
const FRESH_MS_MAX = 5_000
/** Rows of one answer about deliveries: a day of minutes in a hundred regions. */
const DELIVERY_ROWS_MAX = 144_000

/** Starts everything in this process: stores, actors, gateway, pages. The only place that joins them. */
export async function startOrrery(options: StartOptions): Promise<Running> {
  const { config, accounts, log, telemetry } = options
  const clock = systemClock
  const regionMap = readRegionMap(config.regionsFile)
  const live = new Live(clock, telemetry, log)
  const liveRegions = new LiveRegions(clock, telemetry)
  const lag = new EventLoopLag({ clock, telemetry, limitMs: config.eventLoopLagMsMax })
  const pagesBuilt = buildPages(config.tilesUrl === '' ? {} : { tilesUrl: config.tilesUrl })
  const parts = new Parts()
  // Only what is outside of this process is waited for; somebody should be told meanwhile.
  const waiting = hasStoresOutside(config) ? serveWaiting(config, parts) : null
  const pipeline = await openPipeline({
    ...{ config, log, telemetry },
    waiting: { parts, signal: new AbortController().signal },
    listen: (fact) => {
      live.accept(fact)
      liveRegions.accept(fact)
    },
    overloaded: () => lag.overloaded(),
    async prepare({ sessions, trips, board }) {
      live.restore({
        ...{ ...sessions, board },
        accepted: () => sessions.intake.acceptedCount,
        completeUpToMs: () => completeUpToMs(sessions),
        ackMs: telemetry.histogram('orrery_ack_ms', ''),
        queryableMs: sessions.silver.queryableMs,
      })
      await liveRegions.restore(trips.windows)
    },
  }).finally(() => waiting?.stop())
  const { intake } = pipeline.sessions
  const deliveries = new DeliveryHistory(pipeline.engine, regionMap)
  const { intake: tripsIntake } = pipeline.trips
  const demo = new Demo({
    offer: intake.offer.bind(intake),
    offerTrips: options.demoTrips ? tripsIntake.offer.bind(tripsIntake) : null,
    regions: regionMap,
    ...{ clock, log },
  })
  const ports: GatewayPorts = {
    ...{ accounts, clock, log, telemetry },
    ingest: intake,
    trips: tripsIntake,
    relay: {
      pings: positionsOf(pipeline.sessions),
      trips: positionsOf(pipeline.trips),
    },
    regionsFeed: liveRegions,
    regionMap,
    windows: pipeline.trips.windows,
    windowHistory: new WindowHistory(pipeline.engine),
    deliveries: (range) => deliveries.range({ ...range, limit: DELIVERY_ROWS_MAX }),
    feed: live,
    reader: new ClickHouseReader(pipeline.engine),
    process: processOf(pipeline, demo, lag, config.redisUrl),
    pages: await pagesBuilt,
    metrics: { text: () => prometheusText(telemetry) },
  }
  const server = startServer(ports, {
    ...gatewayOptions(config),
    host: config.host,
    port: config.port,
  })
  const control = serveControl(
    createControlApp(
      ports,
      {
        sql: (sql, format) => freshQuery(pipeline, sql, format),
        async flush() {
          if (await pipeline.flush('all', FLUSH_MS_MAX)) return
          throw new OrreryError('not_stored', `not stored within ${FLUSH_MS_MAX} ms; see /health`, {
            retriable: true,
          })
        },
        mintKey: () => accounts.mintKey('local'),
      },
      server.app,
    ),
    CONTROL_SOCKET,
  )
  showCounts(telemetry, pipeline.board)
  live.start()
  liveRegions.start()
  lag.start()
  demo.set(options.demo)
  const shown = config.host === '0.0.0.0' || config.host === '::' ? 'localhost' : config.host
  return {
    url: `http://${shown}:${server.port}`,
    address: { host: config.host, port: server.port },
    async stop(deadlineMs) {
      const endMs = clock.monotonicMs() + deadlineMs
      demo.set(false)
      await Promise.all([server.stop(), control.stop()])
      live.stop()
      liveRegions.stop()
      lag.stop()
      const unflushed = await pipeline.stop(Math.max(0, endMs - clock.monotonicMs()))
      return { clean: unflushed.length === 0, unflushed }
    },
  }
}

/** How far edge gateways' messages are in a stream's journal: known once it was replayed. */
function positionsOf({
  relays,
  replay,
}: Readonly<{
  relays: ConstructorParameters<typeof JournalPositions>[0]
  replay: Readonly<{ behind: number }>
}>): JournalPositions {
  return new JournalPositions(relays, () => replay.behind === 0)
}

/** Takes bodies as `POST /ingest` does, without a network. */
export type LocalIngest = (request: Request) => Promise<Response>

/** Opens the stores of the data folder without a gateway, runs with a way in, and closes them again. */
export async function withLocalPipeline(
  config: Config,
  log: Log,
  run: (ingest: LocalIngest) => Promise<void>,
): Promise<void> {
  const telemetry = new Telemetry()
  const clock = systemClock
  const pipeline = await openPipeline({ config, log, telemetry, listen: () => {} })
  const options = gatewayOptions(config)
  const around = { clock, telemetry }
  const keys = new Keys({ verifyKey: () => null }, clock)
  const pings = new Intake({ ...around, ingest: pipeline.sessions.intake }, options, PINGS)
  const trips = new Intake({ ...around, ingest: pipeline.trips.intake }, options, TRIPS)
  const pingsIngest = new IngestHttp(pings, keys, clock)
  const tripsIngest = new IngestHttp(trips, keys, clock)
  const tripsFlush = new TripsFlush(pipeline.trips.intake, trips, keys, clock)
  const ingest = async (request: Request): Promise<Response> => {
    switch (new URL(request.url).pathname) {
      case '/ingest':
        return pingsIngest.postAs('local', request)
      case '/ingest/trips':
        return tripsIngest.postAs('local', request)
      case '/ingest/trips/flush':
        return tripsFlush.postAs('local')
      default:
        return errorResponse(404, 'not_found', 'nothing is there')
    }
  }
  try {
    await run(ingest)
  } finally {
    const unflushed = await pipeline.stop(60_000)
    if (unflushed.length > 0) {
      throw new OrreryError(
        'unflushed',
        `not stored yet: ${unflushed.join(', ')}; the next start goes on`,
      )
    }
  }
}

/** SQL over the data folder while no server runs on it. */
export async function openLocalSql(config: Config, log: Log) {
  const engine = await openEngine(config, log)
  await migrate(engine)
  await ensureBronzeViews(engine, config)
  return {
    run: (sql: string, format: string) => runConsoleQuery({ engine, sql, format }),
    close: () => engine.close(),
  }
}

/** An answer that covers everything acknowledged before the question, when the stores keep up. */
async function freshQuery(pipeline: Pipeline, sql: string, format: string): Promise<Uint8Array> {
  await pipeline.flush(/\bbronze\b/i.test(sql) ? 'all' : 'silver', FRESH_MS_MAX)
  return runConsoleQuery({ engine: pipeline.engine, sql, format })
}

/** Everything received up to this wall-clock time is in every store. */
function completeUpToMs({
  bronze,
  silver,
  metrics,
}: Pick<Pipeline['sessions'], 'bronze' | 'silver' | 'metrics'>): number {
  const nowMs = systemClock.nowMs()
  return Math.min(...[bronze, silver, metrics].map((sink) => sink.oldestUnackedMs ?? nowMs))
}
