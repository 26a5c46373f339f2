import { Histogram } from '../actors/kernel/telemetry.ts'
import type { TripsOptions } from '../simulator/trips.ts'
import { asRecord, firstNumber, parseJson } from '../simulator/wire.ts'
import { InOrder, type TripBodies, tripBodies } from './trip-bodies.ts'

/** What a load of trips is told, as JSON in its first argument. */
export type TripLoadOptions = Readonly<{
  hostname: string
  port: number
  key: string
  trips: TripsOptions
  bodyTrips: number
  /** Bodies on their way at one time. */
  connections: number
  /** Bodies that may be sent before the oldest has its answer, at most. */
  ahead: number
}>

/** What it says: when its bodies are made and the first is about to go, and at its end. */
export type TripLoadMessage =
  | Readonly<{ kind: 'ready' }>
  | Readonly<{
      kind: 'result'
      rows: number
      acknowledged: number
      refused: number
      seconds: number
      ackP50Ms: number
      ackP99Ms: number
      ackMaxMs: number
      busy: number
      loaderCpuPercent: number
    }>

export type TripLoadResult = Extract<TripLoadMessage, { kind: 'result' }>

const LATENCY_BOUNDS = Array.from({ length: 800 }, (_, step) => 0.02 * 1.02 ** step)

/** Bodies of trips over HTTP, as fast as they are acknowledged. */
class TripLoad {
  readonly #url: string
  readonly #headers: Readonly<Record<string, string>>
  readonly #made: TripBodies
  readonly #order: InOrder
  readonly #latency = new Histogram(LATENCY_BOUNDS)
  #ackMaxMs = 0
  #acknowledged = 0
  #refused = 0
  #busy = 0

  constructor({ hostname, port, key, ahead }: TripLoadOptions, made: TripBodies) {
    this.#url = `http://${hostname}:${port}/ingest/trips`
    this.#headers = { authorization: `Bearer ${key}`, 'content-type': 'application/x-ndjson' }
    this.#made = made
    this.#order = new InOrder(made.bodies.length, ahead)
  }

  async run(connections: number): Promise<TripLoadResult> {
    const cpuBefore = process.cpuUsage()
    const fromMs = performance.now()
    let wake = Promise.withResolvers<void>()
    const line = async (): Promise<void> => {
      while (!this.#order.isOver) {
        const body = this.#order.take()
        if (body === null) {
          await wake.promise
          continue
        }
        await this.#send(body)
        this.#order.answered(body)
        wake.resolve()
        wake = Promise.withResolvers<void>()
      }
    }
    await Promise.all(Array.from({ length: connections }, line))
    const seconds = (performance.now() - fromMs) / 1_000
    const cpu = process.cpuUsage(cpuBefore)
    return {
      kind: 'result',
      rows: this.#made.rows.reduce((sum, rows) => sum + rows, 0),
      acknowledged: this.#acknowledged,
      refused: this.#refused,
      seconds,
      ackP50Ms: Math.min(this.#ackMaxMs, this.#latency.quantile(0.5)),
      ackP99Ms: Math.min(this.#ackMaxMs, this.#latency.quantile(0.99)),
      ackMaxMs: this.#ackMaxMs,
      busy: this.#busy,
      loaderCpuPercent: (cpu.user + cpu.system) / 10_000 / seconds,
    }
  }

  /** Until it is taken; from its first sending on it counts as waiting. */
  async #send(place: number): Promise<void> {
    const body = this.#made.bodies[place] ?? new Uint8Array()
    const fromMs = performance.now()
    for (;;) {
      const response = await fetch(this.#url, { method: 'POST', headers: this.#headers, body })
      const text = await response.text()
      if (response.status === 503 || response.status === 429) {
        this.#busy++
        await Bun.sleep(Number(response.headers.get('retry-after') ?? 1) * 1_000)
        continue
      }
      const answer = asRecord(parseJson(text))
      const accepted = firstNumber(answer?.accepted)
      if (accepted === null) throw new Error(`HTTP ${response.status}: ${text.slice(0, 200)}`)
      const tookMs = performance.now() - fromMs
      this.#latency.observe(tookMs)
      this.#ackMaxMs = Math.max(this.#ackMaxMs, tookMs)
      this.#acknowledged += accepted
      this.#refused += firstNumber(answer?.refusedCount) ?? 0
      return
    }
  }
}

function say(message: TripLoadMessage): void {
  process.stdout.write(`${JSON.stringify(message)}\n`)
}

if (import.meta.main) {
  const options: TripLoadOptions = JSON.parse(process.argv[2] ?? '{}')
  const made = tripBodies(options.trips, options.bodyTrips)
  say({ kind: 'ready' })
  say(await new TripLoad(options, made).run(options.connections))
  process.exit(0)
}
