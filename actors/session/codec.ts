import type { Fix } from '../model/history.ts'
import { STATUSES } from '../model/ping.ts'
import type { Ping, Status } from '../model/ping.ts'
import { FIXES_MAX } from './state.ts'
import type { SessionState, StatusState } from './state.ts'

/** Version of the bytes that `encodeSession` writes. */
export const SESSION_STATE_VERSION = 2

const HEADER = 1
const SILENT = 2
const OVERDUE = 4
const BYTES_MAX = 4 * 1024
const scratch = new Uint8Array(BYTES_MAX)
const view = new DataView(scratch.buffer)
const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** A session's state as bytes, little-endian; the recollection is left out. */
export function encodeSession(state: SessionState): Uint8Array {
  let at = 0
  const byte = (value: number): void => view.setUint8(at++, value)
  const number = (value: number): void => {
    view.setFloat64(at, value, true)
    at += 8
  }
  const text = (value: string): void => {
    const { written } = encoder.encodeInto(value, scratch.subarray(at + 2))
    view.setUint16(at, written, true)
    at += 2 + written
  }
  const status = (value: StatusState | null): void => {
    number(value ? value.eventTimeUs : Number.NaN)
    number(value ? value.revision : 0)
  }

  byte((state.header ? HEADER : 0) | (state.silent ? SILENT : 0) | (state.overdue ? OVERDUE : 0))
  number(state.fixCount)
  number(state.travelledCm)
  number(state.lastReceivedMs)
  number(state.etaMs ?? Number.NaN)
  status(state.started)
  status(state.enRoute)
  status(state.completed)
  byte(state.fixes.length)
  for (const fix of state.fixes) {
    number(fix.eventTimeUs)
    byte(STATUSES.indexOf(fix.status as Status))
    number(fix.lat)
    number(fix.lng)
  }
  if (state.header) {
    const { ping, revision } = state.header
    number(revision)
    text(ping.sessionId)
    text(ping.vehicleId)
    text(ping.orderId)
    text(ping.deviceId)
    byte(STATUSES.indexOf(ping.status))
    for (const value of [ping.eventTimeUs, ping.lat, ping.lng]) number(value)
    for (const value of [ping.startLat, ping.startLng, ping.endLat, ping.endLng]) number(value)
  }
  return scratch.slice(0, at)
}

/** Reads what `encodeSession` wrote. Throws on another version or damaged bytes. */
export function decodeSession(bytes: Uint8Array, version: number): SessionState {
  if (version < 1 || version > SESSION_STATE_VERSION) {
    throw new RangeError(`session state of version ${version}`)
  }
  const from = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0
  const byte = (): number => from.getUint8(at++)
  const number = (): number => {
    at += 8
    return from.getFloat64(at - 8, true)
  }
  const numberOrNull = (): number | null => {
    const value = number()
    return Number.isNaN(value) ? null : value
  }
  const text = (): string => {
    const length = from.getUint16(at, true)
    at += 2 + length
    if (at > bytes.length) throw new RangeError('session state ends within a text')
    return decoder.decode(bytes.subarray(at - length, at))
  }
  const status = (): StatusState | null => {
    const eventTimeUs = number()
    const revision = number()
    return Number.isNaN(eventTimeUs) ? null : { eventTimeUs, revision }
  }
  const statusName = (): Status => {
    const name = STATUSES[byte()]
    if (!name) throw new RangeError('session state names no status')
    return name
  }
  const fix = (): Fix => ({
    eventTimeUs: number(),
    status: statusName(),
    lat: number(),
    lng: number(),
  })
  const ping = (): Ping => ({
    sessionId: text(),
    vehicleId: text(),
    orderId: text(),
    deviceId: text(),
    status: statusName(),
    eventTimeUs: number(),
    lat: number(),
    lng: number(),
    startLat: number(),
    startLng: number(),
    endLat: number(),
    endLng: number(),
  })

  const flags = byte()
  const state: SessionState = {
    fixCount: number(),
    travelledCm: number(),
    lastReceivedMs: number(),
    // Version 1 knew no arrival: it is estimated at the next ping.
    etaMs: version >= 2 ? numberOrNull() : null,
    started: status(),
    enRoute: status(),
    completed: status(),
    fixes: Array.from({ length: Math.min(byte(), FIXES_MAX) }, fix),
    header: flags & HEADER ? { revision: number(), ping: ping() } : null,
    silent: (flags & SILENT) !== 0,
    overdue: (flags & OVERDUE) !== 0,
    recollection: null,
  }
  if (at !== bytes.length) throw new RangeError('session state is longer than its content')
  return state
}
