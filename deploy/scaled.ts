import { systemClock } from '../actors/kernel/clock.ts'
import { OrreryError } from '../actors/kernel/errors.ts'
import type { IngestPorts, RolePorts } from '../gateway/ports.ts'
import { RelayHints } from '../gateway/relay/positions.ts'
import { startRoles } from '../gateway/roles.ts'
import type { ClickHouse } from '../sinks/clickhouse/engine.ts'
import { prometheusText } from '../sinks/metrics/prometheus.ts'
import { adaptersOf } from './adapters.ts'
import { openServer } from './clickhouse-server.ts'
import { Demo } from './demo.ts'
import { type KafkaJournal, openKafkaJournal } from './kafka-journal.ts'
import { EventLoopLag } from './lag.ts'
import { readRegionMap } from './live-regions.ts'
import { gatewayOptions } from './options.ts'
import { Parts, patiently } from './patience.ts'
import type { Running, StartOptions } from './running.ts'
import { serveScaledControl } from './scaled-control.ts'
import type { ScaledOptions } from './scaled-options.ts'
import { scaledProcess } from './scaled-process.ts'
import type { ScaledViews } from './scaled-views.ts'
import type { ScaledWorker } from './scaled-worker.ts'
import { serveWaiting } from './waiting.ts'
import { within } from './within.ts'

/** Starts the roles of this process over Kafka; while a store is away it listens and says which. */
export async function startScaled(options: StartOptions): Promise<Running> {
  const { config, accounts, log, telemetry } = options
  const clock = systemClock
  const adapters = adaptersOf(config)
  const { journal: choice, roles } = adapters
  if (choice.kind !== 'kafka') throw new TypeError('there is no broker to run over')
  const parts = new Parts()
  const lag = new EventLoopLag({ clock, telemetry, limitMs: config.eventLoopLagMsMax })
  const stopping = new AbortController()
  const { signal } = stopping
  const installation = `${choice.group}/${choice.topics.sessions}`
  const scaled: ScaledOptions = { ...options, adapters, choice, installation, parts, lag, signal }
  const waiting = serveWaiting(config, parts)
  const opened = await openParts(scaled).finally(() => waiting.stop())
  const { journal, worker, views } = opened

  const regionMap = readRegionMap(config.regionsFile)
  const relay = { pings: new RelayHints(), trips: new RelayHints() }
  const ingest: IngestPorts = { ingest: journal.sessions, trips: journal.trips, relay }
  const demo = new Demo({
    offer: journal.sessions.offer.bind(journal.sessions),
    offerTrips: options.demoTrips ? journal.trips.offer.bind(journal.trips) : null,
    ...{ regions: regionMap, clock, log },
  })
  const ports: RolePorts = {
    roles: config.roles,
    shared: {
      ...{ accounts, clock, log, telemetry },
      process: scaledProcess({ ...opened, demo, lag, parts }),
      metrics: { text: () => prometheusText(telemetry) },
    },
    ...(roles.has('gateway') ? { ingest } : {}),
    ...(views ? { views: views.ports, retries: ingest } : {}),
  }
  const address = { host: config.host, port: config.port }
  const server = await startRoles(ports, { ...gatewayOptions(config), ...address })
  // The path of the control socket must be short.
  process.chdir(config.dataDir)
  const control = serveScaledControl({
    ...{ ports, accounts, app: server.app, engine: opened.engine },
    queryable: (withinMs) => ports.shared.process.queryable(withinMs),
  })
  lag.start()
  views?.start()
  demo.set(options.demo)
  const shown = config.host === '0.0.0.0' || config.host === '::' ? 'localhost' : config.host
  return {
    url: `http://${shown}:${server.port}`,
    address: { host: config.host, port: server.port },
    async stop(deadlineMs) {
      const endMs = clock.monotonicMs() + deadlineMs
      demo.set(false)
      stopping.abort(new OrreryError('stopping', 'the process stops'))
      await Promise.all([server.stop(), control.stop()])
      lag.stop()
      await views?.stop()
      const unflushed = [...((await worker?.stop(endMs - CLOSE_MS_MAX)) ?? [])]
      const leftMs = Math.max(0, endMs - clock.monotonicMs())
      if (!(await within(opened.close(), leftMs))) unflushed.push('kafka')
      return { clean: unflushed.length === 0, unflushed }
    },
  }
}

/** Of the time to stop, what is kept for connections. */
const CLOSE_MS_MAX = 1_000

type Opened = Readonly<{
  journal: KafkaJournal
  worker: ScaledWorker | null
  views: ScaledViews | null
  /** The tables; null where no role needs them. */
  engine: ClickHouse | null
  close(): Promise<unknown>
}>

/** Opens what the roles need, all at once, each when its store is there. */
async function openParts(options: ScaledOptions): Promise<Opened> {
  const { config, choice, adapters, log, telemetry, parts, lag, signal } = options
  const { roles } = adapters
  const pace = { clock: systemClock, random: Math.random, log, signal, parts }
  const where = choice.brokers.join(',')
  parts.needed('kafka', where)
  const opening = patiently(
    'kafka',
    () =>
      openKafkaJournal({
        ...{ config, choice, log, telemetry },
        overloaded: () => lag.overloaded(),
      }),
    { ...pace, where, check: 'that a broker listens there, and KAFKA_BOOTSTRAP_SERVERS' },
  )
  const needsStores = roles.has('worker') || roles.has('web')
  const [journal, engine] = await Promise.all([
    opening,
    needsStores ? openSilver(options) : Promise.resolve(null),
  ])
  const stores = { ...options, journal, engine }
  const views =
    roles.has('web') && engine
      ? await (await import('./scaled-views.ts')).openViews({ ...stores, engine })
      : null
  const worker =
    roles.has('worker') && engine
      ? await (await import('./scaled-worker.ts')).startScaledWorker({ ...stores, engine })
      : null
  return {
    ...{ journal, views, worker, engine },
    close: () => Promise.all([journal.close(), engine?.close()]),
  }
}

async function openSilver({ config, adapters, log, parts, signal }: ScaledOptions) {
  const { silver } = adapters
  if (silver.kind !== 'server') throw new TypeError('there is no ClickHouse server')
  return openServer(config, silver, { log, parts, signal })
}
