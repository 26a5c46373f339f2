import { bearingDeg, distanceCm } from '../actors/model/geo.ts'
import type { Ping, Status } from '../actors/model/ping.ts'
import { POISON, rankOf, type SentPing } from './world-traffic.ts'

/** A ping as bronze has it. */
export type BronzePing = Readonly<{ offset: number; receivedMs: number; sent: SentPing }>

/** A row that silver must have, its columns as text; the movement's and event's ids are compared apart. */
export type ExpectedRow = Readonly<{
  name: string
  columns: Readonly<Record<string, string>>
  /** What the row's own id must go by: equal for equal content. */
  content: string
}>

/** What the tables must hold, by the definition of the tables and not by the code that fills them. */
export type Expected = Readonly<{
  headers: readonly ExpectedRow[]
  statuses: readonly ExpectedRow[]
  movements: readonly ExpectedRow[]
  /** Names of the dead letters that poison leaves. */
  poisoned: readonly string[]
  totalsCm: ReadonlyMap<string, number>
  /** When each session should arrive, as estimated when enough of the way was done. */
  arrivalsMs: ReadonlyMap<string, number>
}>

type Books = Readonly<Record<'headers' | 'statuses' | 'movements', ExpectedRow[]>>

/** All that is known of a session, without any bound. */
class SessionBook {
  readonly #id: string
  readonly #books: Books
  #first: Ping | null = null
  #headerRevision = 0
  readonly #reached = new Map<Status, { us: number; revision: number }>()
  /** All distinct fixes in their order. */
  readonly fixes: Ping[] = []
  totalCm = 0
  arrivalMs: number | null = null

  constructor(id: string, books: Books) {
    this.#id = id
    this.#books = books
  }

  read({ offset, receivedMs, sent: { ping } }: BronzePing): void {
    let part = 0
    const common = { session_id: this.#id, received_at: String(receivedMs) }
    const name = (): string => `${offset}.${part++}`
    if (this.#isFirst(ping)) {
      if (this.#first) this.#headerRevision++
      this.#first = ping
      const columns = { ...common, ...headerColumns(ping, this.#headerRevision) }
      this.#books.headers.push({ name: name(), columns, content: this.#id })
    }
    const isKnown = this.fixes.some((fix) => compare(fix, ping) === 0)
    if (isKnown || !this.#first) return
    const status = this.#statusColumns(ping)
    if (status) {
      const columns = { ...common, ...status }
      this.#books.statuses.push({
        name: name(),
        columns,
        content: `${this.#id} ${ping.status}`,
      })
    }
    const isNewest = this.fixes.every((fix) => fix.eventTimeUs <= ping.eventTimeUs)
    const columns = { ...common, ...this.#movementColumns(ping, this.#first) }
    if (isNewest) this.arrivalMs ??= this.#arrival(ping, this.#first, receivedMs)
    const content = [this.#id, ping.status, ping.eventTimeUs, ping.lat, ping.lng].join()
    this.#books.movements.push({ name: name(), columns, content })
  }

  /** After a minute and half a kilometer: the rest of the way on streets, at the mean speed so far. */
  #arrival(ping: Ping, first: Ping, receivedMs: number): number | null {
    const drivenUs = ping.eventTimeUs - first.eventTimeUs
    if (this.totalCm < 50_000 || drivenUs < 60_000_000) return null
    const restCm = distanceCm(ping.lat, ping.lng, first.endLat, first.endLng) * 1.44
    return Math.round(receivedMs + (restCm * drivenUs) / this.totalCm / 1_000)
  }

  #isFirst(ping: Ping): boolean {
    if (!this.#first) return true
    const order = compare(ping, this.#first)
    return order < 0 || (order === 0 && otherFields(ping) < otherFields(this.#first))
  }

  #statusColumns(ping: Ping): Record<string, string> | null {
    const { status, eventTimeUs: us } = ping
    const known = this.#reached.get(status)
    if (known && known.us <= us) return null
    const earlier = [...this.#reached]
      .filter(([other, at]) => other !== status && at.us <= us)
      .sort(([a, atA], [b, atB]) => atA.us - atB.us || rankOf(a) - rankOf(b))
    const revision = known ? known.revision + 1 : 0
    this.#reached.set(status, { us, revision })
    return {
      status,
      revision: String(revision),
      from_status: earlier.at(-1)?.[0] ?? '',
      event_time_us: String(us),
      timestamp: String(Math.floor(us / 1_000)),
    }
  }

  #movementColumns(ping: Ping, first: Ping): Record<string, string> {
    const index = this.fixes.filter((fix) => compare(fix, ping) < 0).length
    const before = this.fixes[index - 1]
    const after = this.fixes[index]
    const stepCm = before ? between(before, ping) : 0
    let addedCm = stepCm
    if (after) addedCm += between(ping, after) - (before ? between(before, after) : 0)
    this.fixes.splice(index, 0, ping)
    this.totalCm += addedCm
    const stepUs = before ? ping.eventTimeUs - before.eventTimeUs : 0
    const speed = stepUs > 0 ? Math.round((stepCm / stepUs) * 3_600_000) / 100 : null
    const heading = before && stepCm >= 100 ? headingOf(before, ping) : null
    return {
      status: ping.status,
      event_time_us: String(ping.eventTimeUs),
      timestamp: String(Math.floor(ping.eventTimeUs / 1_000)),
      current_lat: String(ping.lat),
      current_lon: String(ping.lng),
      distance_cm: String(addedCm),
      travelled_cm: String(this.totalCm),
      remaining_cm: String(distanceCm(ping.lat, ping.lng, first.endLat, first.endLng)),
      speed_kmh: String(speed),
      heading_deg: String(heading),
      late: String(after !== undefined),
    }
  }
}

/** Recomputes silver from bronze, ping by ping, with every session's whole past at hand. */
export function recompute(pings: readonly BronzePing[]): Expected {
  const books: Books = { headers: [], statuses: [], movements: [] }
  const sessions = new Map<string, SessionBook>()
  const poisoned: string[] = []
  for (const one of pings) {
    const { ping } = one.sent
    if (ping.orderId === POISON) {
      poisoned.push(`${one.offset}.0`)
      continue
    }
    const book = sessions.get(ping.sessionId) ?? new SessionBook(ping.sessionId, books)
    sessions.set(ping.sessionId, book)
    book.read(one)
  }
  const totalsCm = new Map<string, number>()
  const arrivalsMs = new Map<string, number>()
  for (const [id, { fixes, arrivalMs }] of sessions) {
    if (arrivalMs !== null) arrivalsMs.set(id, arrivalMs)
    let sumCm = 0
    for (const [index, fix] of fixes.entries()) {
      const before = fixes[index - 1]
      if (before) sumCm += between(before, fix)
    }
    totalsCm.set(id, sumCm)
  }
  return { ...books, poisoned, totalsCm, arrivalsMs }
}

/** The order of fixes: time, status, place. */
export function compare(a: Ping, b: Ping): number {
  return (
    a.eventTimeUs - b.eventTimeUs ||
    rankOf(a.status) - rankOf(b.status) ||
    a.lat - b.lat ||
    a.lng - b.lng
  )
}

function between(a: Ping, b: Ping): number {
  return distanceCm(a.lat, a.lng, b.lat, b.lng)
}

function headingOf(a: Ping, b: Ping): number {
  return Math.round(bearingDeg(a.lat, a.lng, b.lat, b.lng) * 10) / 10
}

/** Of two pings at one fix the traffic changes the order id alone. */
function otherFields(ping: Ping): string {
  return ping.orderId
}

function headerColumns(ping: Ping, revision: number): Record<string, string> {
  return {
    revision: String(revision),
    vehicle_id: ping.vehicleId,
    order_id: ping.orderId,
    device_id: ping.deviceId,
    start_lat: String(ping.startLat),
    start_lon: String(ping.startLng),
    end_lat: String(ping.endLat),
    end_lon: String(ping.endLng),
    created_at: String(Math.floor(ping.eventTimeUs / 1_000)),
    created_at_us: String(ping.eventTimeUs),
  }
}
