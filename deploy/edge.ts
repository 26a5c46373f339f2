import { hostname } from 'node:os'
import { join } from 'node:path'

import { nanoid } from 'nanoid'

import { systemClock } from '../actors/kernel/clock.ts'
import { systemDisk } from '../actors/kernel/disk.ts'
import { TRIPS } from '../actors/region/frames.ts'
import { PINGS } from '../actors/session/frames.ts'
import type { Process } from '../gateway/ports.ts'
import { dialWebSocket } from '../gateway/relay/dial.ts'
import { type Edge, openEdge } from '../gateway/relay/edge.ts'
import { startRoles } from '../gateway/roles.ts'
import { prometheusText } from '../sinks/metrics/prometheus.ts'
import { adaptersOf } from './adapters.ts'
import { gatewayOptions } from './options.ts'
import type { Running, StartOptions } from './running.ts'

/** Within the data folder: a process that had other roles there has a journal of its own, which is not forwarded. */
const EDGE_FOLDER = 'edge'
/** Of the time to stop, what is kept for closing files. */
const CLOSE_MS_MAX = 1_000
/** A stop waits no longer for what the line takes. */
const FORWARD_MS_MAX = 3_000
const NAME_LENGTH_MAX = 64

/** Starts a gateway beside the vehicles: takes everything onto its own disk and forwards it to the core. */
export async function startEdge(options: StartOptions): Promise<Running> {
  const { config, accounts, log, telemetry } = options
  const clock = systemClock
  const { journal: choice } = adaptersOf(config)
  if (choice.kind !== 'outbox') throw new TypeError('there is no upstream to forward to')
  if (options.demo) log.warn({}, 'the simulated fleet runs at the core: it is not started here')
  const edge = await openEdge({
    ...{ clock, log, telemetry, disk: systemDisk, random: Math.random, newId: () => nanoid() },
    directory: join(config.dataDir, EDGE_FOLDER),
    edge: choice.edgeId ?? machineName(),
    frames: { pings: PINGS, trips: TRIPS },
    dial: dialWebSocket(choice.upstreamUrl, choice.upstreamKey),
    bytesMax: choice.bytesMax,
    ageMsMax: choice.ageMsMax,
    waitingBytesMax: config.journalWaitingBytesMax,
  })
  const shared = {
    ...{ accounts, clock, log, telemetry },
    process: processOf(edge),
    metrics: { text: () => prometheusText(telemetry) },
  }
  const address = { host: config.host, port: config.port }
  const ingest = { ingest: edge.ingest, trips: edge.trips }
  const server = await startRoles(
    { roles: config.roles, shared, ingest },
    { ...gatewayOptions(config), ...address },
  )
  const shown = config.host === '0.0.0.0' || config.host === '::' ? 'localhost' : config.host
  return {
    url: `http://${shown}:${server.port}`,
    address: { host: config.host, port: server.port },
    async stop(deadlineMs) {
      const endMs = clock.monotonicMs() + deadlineMs
      await server.stop()
      const leftMs = Math.max(0, endMs - clock.monotonicMs() - CLOSE_MS_MAX)
      const isForwarded = await edge.stop(Math.min(leftMs, FORWARD_MS_MAX))
      // What is left is safe on disk, and an edge whose line is down stops as well as any.
      const { pings, trips } = edge.outboxes
      const left = { pings: pings.backlog, trips: trips.backlog }
      if (!isForwarded)
        log.info(left, 'stopped before a core had everything: the next start goes on')
      return { clean: true, unflushed: [] }
    },
  }
}

/** The name of this machine, of letters that an edge's name may have. */
function machineName(): string {
  return (
    hostname()
      .replace(/[^A-Za-z0-9._-]/g, '-')
      .slice(0, NAME_LENGTH_MAX) || 'edge'
  )
}

function processOf(edge: Edge): Process {
  return {
    health: () => edge.health(),
    // The core may be away for days: that is what an edge is for.
    notReady() {
      for (const { refusing } of [edge.outboxes.pings, edge.outboxes.trips]) {
        if (refusing !== null && refusing !== 'busy') return `the journal is ${refusing}`
      }
      return null
    },
    demoRunning: () => false,
    setDemo: () => {},
    queryable: () => Promise.resolve(false),
  }
}
