import { authenticationFrame, wireTime } from '../simulator/wire.ts'
import type { ServerUnderTest } from './server.ts'

/** What the probes found. */
export type ProbeResult = Readonly<{
  /** From the moment a ping was sent until a query saw its movement; one a probe. */
  queryableMs: readonly number[]
  sent: number
  /** Probes that no query saw in time. */
  unseen: number
}>

const EVERY_MS = 500
const POLL_MS = 20
const UNSEEN_MS = 30_000

/**
 * A vehicle of its own beside the load: it sends a ping, then asks the server every 20 ms by SQL until
 * the movement is there. What it measures is what a user would see, the query's own time included.
 */
export class Probe {
  readonly #server: ServerUnderTest
  readonly #session = `probe-${crypto.randomUUID()}`
  readonly #took: number[] = []
  #sent = 0
  #unseen = 0
  #stopped = false
  #running: Promise<void> | null = null

  constructor(server: ServerUnderTest) {
    this.#server = server
  }

  start(): void {
    this.#running = this.#run()
    this.#running.catch(() => {})
  }

  /** Lets the last probe be seen, then says what was found. Rejects when the probe itself failed. */
  async stop(): Promise<ProbeResult> {
    this.#stopped = true
    await this.#running
    return { queryableMs: this.#took, sent: this.#sent, unseen: this.#unseen }
  }

  async #run(): Promise<void> {
    const socket = new WebSocket(`ws://127.0.0.1:${this.#server.port}/ws`)
    const replies = replyQueue(socket)
    await new Promise<void>((resolve, reject) => {
      socket.addEventListener('open', () => resolve())
      socket.addEventListener('close', () => reject(new Error('the probe could not connect')))
    })
    socket.send(authenticationFrame(this.#server.key))
    await replies()
    while (!this.#stopped) {
      const fromMs = performance.now()
      if (await this.#probe(socket, replies)) this.#took.push(performance.now() - fromMs)
      await Bun.sleep(Math.max(0, EVERY_MS - (performance.now() - fromMs)))
    }
    socket.close(1000)
  }

  async #probe(socket: WebSocket, replies: () => Promise<string>): Promise<boolean> {
    const text = this.#ping()
    for (;;) {
      socket.send(text)
      const reply = await replies()
      if (reply.includes('"success":true')) break
      if (!reply.includes('retry_after_ms')) throw new Error(`a probe was refused: ${reply}`)
      await Bun.sleep(POLL_MS)
    }
    this.#sent++
    const endMs = performance.now() + UNSEEN_MS
    while (performance.now() < endMs) {
      if ((await this.#seen()) >= this.#sent) return true
      await Bun.sleep(POLL_MS)
    }
    this.#unseen++
    return false
  }

  async #seen(): Promise<number> {
    const [row] = await this.#server.sql(
      `SELECT count() AS seen FROM session_movements WHERE session_id = '${this.#session}'`,
    )
    return Number(row?.seen ?? 0)
  }

  #ping(): string {
    const status = this.#sent === 0 ? 'started' : 'en_route'
    const ids = { device_id: 'probe', vehicle_id: 'PROBE-0001', order_id: this.#session }
    return JSON.stringify({
      ...{ ...ids, session_id: this.#session, status, timestamp: wireTime(Date.now()) },
      ...{ start_lat: 37.98, start_lon: 23.72, end_lat: 38.01, end_lon: 23.76 },
      ...{ current_lat: 37.98 + this.#sent * 1e-5, current_lon: 23.73 },
    })
  }
}

/** Replies in order, each once. */
function replyQueue(socket: WebSocket): () => Promise<string> {
  const waiting: ((text: string) => void)[] = []
  const come: string[] = []
  socket.addEventListener('message', (event) => {
    const taker = waiting.shift()
    if (taker) taker(String(event.data))
    else come.push(String(event.data))
  })
  return () => {
    const ready = come.shift()
    if (ready !== undefined) return Promise.resolve(ready)
    return new Promise((resolve, reject) => {
      waiting.push(resolve)
      socket.addEventListener('close', () => reject(new Error('the probe was cut off')))
    })
  }
}
