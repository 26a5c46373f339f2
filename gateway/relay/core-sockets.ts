import type { ServerWebSocket, WebSocketHandler } from 'bun'

import type { Clock } from '../../actors/kernel/clock.ts'
import type { Log, Telemetry } from '../../actors/kernel/telemetry.ts'
import type { Ping } from '../../actors/model/ping.ts'
import type { Trip } from '../../actors/model/trip.ts'
import { errorResponse, keyRefused, retryAfter } from '../http-error.ts'
import { keyOfHeaders, type Keys } from '../keys.ts'
import type { GatewayOptions } from '../options.ts'
import {
  type CoreAround,
  CoreConnection,
  RELAY_LIMITS,
  type RelayLimits,
} from './core-connection.ts'
import type { RelayTarget } from './core-stream.ts'
import { Edges } from './edges.ts'
import { RELAY_PATH } from './protocol.ts'

/** What a socket of an edge carries; other sockets of the server have other data. */
export type RelayData = { readonly relay: true; connection: CoreConnection | null }

/** Where edges' messages go in at this core. */
export type RelayPorts = Readonly<{ pings: RelayTarget<Ping>; trips: RelayTarget<Trip> }>

export type RelaySocketsOptions = RelayPorts &
  Readonly<{
    keys: Keys
    options: GatewayOptions
    clock: Clock
    log: Log
    telemetry: Telemetry
    limits?: Partial<RelayLimits>
  }>

/** Upgrades to a socket of an edge, among others. */
type Upgrading = Readonly<{
  upgrade(request: Request, options: Readonly<{ data: RelayData }>): boolean
}>

const RETRY_FULL_MS = 5_000

type RelaySocket = ServerWebSocket<RelayData>

/** The core's end of `/relay`: admission of edges, and the callbacks of their sockets. */
export class RelaySockets {
  readonly #keys: Keys
  readonly #around: CoreAround
  readonly #open = new Set<CoreConnection>()
  #stopping = false

  constructor({ keys, telemetry, limits, ...options }: RelaySocketsOptions) {
    const edges = new Edges(options.clock)
    this.#keys = keys
    telemetry.gauge('orrery_relay_edges', 'Edge gateways that are connected').from(() => edges.size)
    this.#around = {
      ...options,
      edges,
      limits: { ...RELAY_LIMITS, ...limits },
      counters: {
        messages: telemetry.counter('orrery_relay_messages_total', 'Messages taken of edges'),
        repeats: telemetry.counter(
          'orrery_relay_repeats_total',
          'Messages that edges sent again, left out',
        ),
        refused: telemetry.counter('orrery_relay_refused_total', 'Edge gateways refused'),
      },
    }
  }

  /** Is this the path of edges? */
  static isRelay(url: string): boolean {
    const start = url.indexOf('/', url.indexOf('://') + 3)
    if (!url.startsWith(RELAY_PATH, start)) return false
    const end = url[start + RELAY_PATH.length]
    return end === undefined || end === '?'
  }

  /** Upgrades a request with a good key, or says why not; undefined when it was upgraded. */
  admit(request: Request, server: Upgrading): Response | undefined {
    if (request.headers.get('upgrade')?.toLowerCase() !== 'websocket') {
      const message = 'this address speaks WebSocket only'
      return errorResponse(426, 'upgrade_required', message, { upgrade: 'websocket' })
    }
    const key = keyOfHeaders(request.headers)
    if (key === null || this.#keys.nameOf(key) === null) return keyRefused(key)
    const { edgesMax } = this.#around.limits
    if (this.#stopping || this.#open.size >= edgesMax) {
      const message = this.#stopping ? 'the server stops' : `all ${edgesMax} places are taken`
      return errorResponse(503, 'busy', message, retryAfter(RETRY_FULL_MS))
    }
    const data: RelayData = { relay: true, connection: null }
    if (server.upgrade(request, { data })) return undefined
    return errorResponse(400, 'bad_handshake', 'the WebSocket handshake is not complete')
  }

  /** Handlers that serve edges here, and every other socket as before. */
  over<Data extends object>(others: WebSocketHandler<Data>): WebSocketHandler<Data | RelayData> {
    const own = (socket: ServerWebSocket<Data | RelayData>): RelaySocket | null =>
      isRelaySocket(socket) ? socket : null
    const other = (socket: ServerWebSocket<Data | RelayData>): ServerWebSocket<Data> =>
      socket as ServerWebSocket<Data>
    return {
      ...(others as Omit<WebSocketHandler<Data | RelayData>, 'data'>),
      open: (socket) => {
        const edge = own(socket)
        if (!edge) return others.open?.(other(socket))
        const connection = new CoreConnection(edge, this.#around)
        edge.data.connection = connection
        this.#open.add(connection)
      },
      message: (socket, data) => {
        const edge = own(socket)
        if (edge) edge.data.connection?.receive(data)
        else void others.message?.(other(socket), data)
      },
      pong: (socket) => own(socket)?.data.connection?.heard(),
      ping: (socket) => own(socket)?.data.connection?.heard(),
      drain: (socket) => {
        if (!own(socket)) others.drain?.(other(socket))
      },
      close: (socket, code, reason) => {
        const edge = own(socket)
        if (!edge) return others.close?.(other(socket), code, reason)
        const { connection } = edge.data
        connection?.closed()
        if (connection) this.#open.delete(connection)
      },
    }
  }

  /** Sends every edge away. */
  stop(): void {
    this.#stopping = true
    for (const connection of this.#open) connection.stop()
  }
}

function isRelaySocket(socket: ServerWebSocket<unknown>): socket is RelaySocket {
  return typeof socket.data === 'object' && socket.data !== null && 'relay' in socket.data
}
