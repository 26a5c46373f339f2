import type { Server, ServerWebSocket, WebSocketHandler } from 'bun'

import type { Ping } from '../actors/model/ping.ts'
import type { Trip } from '../actors/model/trip.ts'
import { type Around, Conversation } from './conversation.ts'
import { errorResponse, keyRefused, retryAfter } from './http-error.ts'
import type { Intake } from './intake.ts'
import { keyOfHeaders, type Keys } from './keys.ts'
import type { GatewayOptions } from './options.ts'
import type { SharedPorts } from './ports.ts'

/** What is said on a socket: pings on `/ws`, trips on `/ws/trips`. */
export type SocketKind = 'pings' | 'trips'

type AnyConversation = Conversation<Ping> | Conversation<Trip>

/** What a socket carries: what is said on it, the key's name when one came with the upgrade, its conversation. */
export type SocketData = {
  readonly kind: SocketKind
  readonly source: string | null
  conversation: AnyConversation | null
}

/** What they need of the process. */
type SocketPorts = Pick<SharedPorts, 'clock' | 'log' | 'telemetry'>

/** The way in of each kind. */
export type Intakes = Readonly<{ pings: Intake; trips: Intake<Trip> }>

/** Replies that one socket may leave unread before it is cut. */
const UNREAD_BYTES_MAX = 4_194_304
const RETRY_FULL_MS = 5_000

/** The senders' sockets: admission, Bun's callbacks, and the way they end. */
export class IngestSockets {
  readonly handlers: WebSocketHandler<SocketData>
  readonly #ports: SocketPorts
  readonly #options: GatewayOptions
  readonly #keys: Keys
  readonly #arounds: Readonly<{ pings: Around<Ping>; trips: Around<Trip> }>
  readonly #onRefusedKey: () => void
  readonly #sockets = new Set<ServerWebSocket<SocketData>>()
  #admitted = 0
  #toFlush: AnyConversation[] = []
  #stopping = false
  #allClosed: (() => void) | null = null

  constructor(ports: SocketPorts, intakes: Intakes, keys: Keys) {
    this.#ports = ports
    this.#options = intakes.pings.options
    this.#keys = keys
    const { telemetry, clock } = ports
    const refusedKeys = telemetry.counter(
      'orrery_gateway_keys_refused_total',
      'Authentications that failed',
    )
    telemetry.gauge('orrery_gateway_sockets', 'Ingest sockets open').from(() => this.#sockets.size)
    telemetry
      .gauge('orrery_gateway_sockets_max', 'Ingest sockets that may be open')
      .set(this.#options.connectionsMax)
    this.#onRefusedKey = () => refusedKeys.add()
    const shared = {
      clock,
      options: this.#options,
      nameOf: (key: string) => keys.nameOf(key),
      flushSoon: (conversation: AnyConversation) => this.#flushSoon(conversation),
      onRefusedKey: this.#onRefusedKey,
    }
    this.#arounds = {
      pings: { ...shared, intake: intakes.pings },
      trips: { ...shared, intake: intakes.trips },
    }
    this.handlers = this.#makeHandlers()
  }

  /** Upgrades a request, or says why not; undefined when it was upgraded. */
  admit(
    request: Request,
    server: Pick<Server<SocketData>, 'upgrade'>,
    kind: SocketKind,
  ): Response | undefined {
    if (request.headers.get('upgrade')?.toLowerCase() !== 'websocket') {
      return errorResponse(426, 'upgrade_required', 'this address speaks WebSocket only', {
        upgrade: 'websocket',
      })
    }
    if (this.#stopping || this.#admitted >= this.#options.connectionsMax) {
      const message = this.#stopping
        ? 'the server stops'
        : `all ${this.#options.connectionsMax} sockets are taken`
      return errorResponse(503, 'busy', message, retryAfter(RETRY_FULL_MS))
    }
    const key = keyOfHeaders(request.headers)
    const source = key === null ? null : this.#keys.nameOf(key)
    if (key !== null && source === null) {
      this.#onRefusedKey()
      return keyRefused(key)
    }
    this.#admitted++
    if (server.upgrade(request, { data: { kind, source, conversation: null } })) return undefined
    this.#admitted--
    return errorResponse(400, 'bad_handshake', 'the WebSocket handshake is not complete')
  }

  /** Answers what is pending on each socket, closes it with 1001, and cuts what is left at the deadline. */
  async stop(): Promise<void> {
    this.#stopping = true
    if (this.#sockets.size === 0) return
    const closed = Promise.withResolvers<void>()
    this.#allClosed = closed.resolve
    const cancel = this.#ports.clock.after(this.#options.stopMsMax, () => {
      this.#ports.log.warn({ sockets: this.#sockets.size }, 'sockets cut: replies took too long')
      for (const socket of this.#sockets) socket.terminate()
      closed.resolve()
    })
    for (const socket of this.#sockets) socket.data.conversation?.stop()
    await closed.promise
    cancel()
  }

  #makeHandlers(): WebSocketHandler<SocketData> {
    const { frameBytesMax, socketIdleMsMax } = this.#options
    const { log } = this.#ports
    return {
      // Twice the limit, so that a frame somewhat too large is kept and answered; Bun closes on more.
      maxPayloadLength: frameBytesMax * 2,
      idleTimeout: Math.ceil(socketIdleMsMax / 1_000),
      sendPings: true,
      backpressureLimit: UNREAD_BYTES_MAX,
      closeOnBackpressureLimit: true,
      perMessageDeflate: false,
      open: (socket) => {
        this.#sockets.add(socket)
        socket.data.conversation = this.#converse(socket)
      },
      message: (socket, data) => socket.data.conversation?.receive(data),
      drain: (socket) => socket.data.conversation?.drained(),
      error: (error, socket) => {
        log.error({ error: error.message, stack: error.stack }, 'socket closed: its handler threw')
        socket.close(1011, 'Internal error')
      },
      close: (socket) => {
        this.#admitted--
        this.#sockets.delete(socket)
        socket.data.conversation?.closed()
        if (this.#sockets.size === 0) this.#allClosed?.()
      },
    }
  }

  #converse(socket: ServerWebSocket<SocketData>): AnyConversation {
    const { kind, source } = socket.data
    const { pings, trips } = this.#arounds
    return kind === 'pings'
      ? new Conversation(socket, pings, source)
      : new Conversation(socket, trips, source)
  }

  /** One flush for all outcomes of a group commit: a socket's replies leave in one write. */
  #flushSoon(conversation: AnyConversation): void {
    if (conversation.flushing) return
    conversation.flushing = true
    if (this.#toFlush.push(conversation) === 1) queueMicrotask(() => this.#flush())
  }

  #flush(): void {
    const due = this.#toFlush
    this.#toFlush = []
    for (const conversation of due) {
      conversation.flushing = false
      conversation.flush()
    }
  }
}
