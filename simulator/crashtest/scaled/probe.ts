import { appendFileSync } from 'node:fs'

import { partitionOf } from '../../../actors/kafka/partitioner.ts'
import type { Clock } from '../../../actors/kernel/clock.ts'
import { wireTime } from '../../wire.ts'
import { pause } from '../server.ts'
import { askClickHouse, type ClickHousePlace } from './clickhouse-server.ts'

const AGAIN_MS = 100
const POST_MS_MAX = 3_000

export type ProbeOptions = Readonly<{
  /** Gateways that may take it. */
  urls: () => readonly string[]
  key: string
  partitions: number
  place: ClickHousePlace
  /** Database of silver. */
  database: string
  /** Probes that were acknowledged, as pings, one a line. */
  recordFile: string
  seed: number
  clock: Clock
}>

/** How long it took from the first try until a ping was taken, and until one of every partition was in silver. */
export type Probed = Readonly<{ takenMs: number; visibleMs: number }>

/** Sends a ping into every partition and looks for all of them in silver: proof that everything between works. */
export class Probe {
  readonly #options: ProbeOptions
  #rounds = 0

  constructor(options: ProbeOptions) {
    this.#options = options
  }

  /** The times, or what was missing after `withinMs`. */
  async pass(withinMs: number): Promise<Probed | string> {
    const { clock, recordFile, partitions } = this.#options
    const round = this.#rounds++
    const ids = Array.from({ length: partitions }, (_, partition) => this.#id(round, partition))
    const lines = ids.map((id) => pingOf(id, clock.nowMs()))
    const beganMs = clock.monotonicMs()
    const leftMs = (): number => beganMs + withinMs - clock.monotonicMs()
    const body = `${lines.join('\n')}\n`
    for (let tries = 0; !(await this.#post(body, tries)); tries++) {
      if (leftMs() < 0) return 'no gateway takes a ping'
      await pause(AGAIN_MS)
    }
    const takenMs = clock.monotonicMs() - beganMs
    appendFileSync(recordFile, body)
    const missing = new Set(ids.keys())
    let trouble = ''
    for (;;) {
      try {
        for (const id of await this.#stored(ids)) missing.delete(ids.indexOf(id))
        trouble = ''
      } catch (thrown) {
        trouble = String(thrown).slice(0, 200)
      }
      if (missing.size === 0) return { takenMs, visibleMs: clock.monotonicMs() - beganMs }
      if (leftMs() < 0) {
        return `a ping is not in silver, of partitions ${[...missing].join(', ')} ${trouble}`.trim()
      }
      await pause(AGAIN_MS)
    }
  }

  /** A session that lies in the partition. */
  #id(round: number, partition: number): string {
    const { seed, partitions } = this.#options
    for (let salt = 0; ; salt++) {
      const id = `probe-${seed}-${round}-${partition}-${salt}`
      if (partitionOf(id, partitions) === partition) return id
    }
  }

  async #stored(ids: readonly string[]): Promise<readonly string[]> {
    const { place, database } = this.#options
    const list = ids.map((id) => `'${id}'`).join(',')
    const sql = `SELECT DISTINCT session_id FROM ${database}.session_movements WHERE session_id IN (${list})`
    return (await askClickHouse(place, sql)).map(([id]) => String(id))
  }

  async #post(body: string, turn: number): Promise<boolean> {
    const { urls, key } = this.#options
    const all = urls()
    const url = all[turn % Math.max(1, all.length)]
    if (url === undefined) return false
    const headers = {
      authorization: `Bearer ${key}`,
      'content-type': 'application/x-ndjson',
      connection: 'close',
    }
    try {
      const signal = AbortSignal.timeout(POST_MS_MAX)
      const response = await fetch(`${url}/ingest`, { method: 'POST', headers, body, signal })
      await response.text()
      return response.status === 200
    } catch {
      return false
    }
  }
}

function pingOf(id: string, nowMs: number): string {
  return JSON.stringify({
    ...{ device_id: id, vehicle_id: id, session_id: id, order_id: id, status: 'started' },
    ...{ timestamp: wireTime(nowMs), current_lat: 37.97, current_lon: 23.73 },
    ...{ start_lat: 37.97, start_lon: 23.73, end_lat: 37.94, end_lon: 23.64 },
  })
}
