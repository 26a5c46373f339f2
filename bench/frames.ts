import { derivedUuid } from '../simulator/wire.ts'

export type FrameSetOptions = Readonly<{
  /** Vehicles in all; each has one live session at any time. */
  vehicles: number
  /** Pings in a frame: 1 is the old protocol. */
  framePings: number
  /** Told apart from every other run. */
  run: string
  /** Pings of a session from `started` to `completed`. */
  sessionPings: number
  /** All sessions begin with the first round; otherwise deliveries end, and others begin, all the time. */
  together?: boolean
}>

/** WebSocket frames of one client message: binary for batches, text for the old protocol. */
const BINARY = 0x82
const TEXT = 0x81
/** Client frames carry a mask; all zeros is one, and leaves the bytes as they are. */
const HEADER_BYTES = 8
const FRAME_BYTES_MAX = 65_535

const STATUS = ['"started"  ', '"en_route" ', '"completed"'].map((text) => Buffer.from(text))
const [STARTED, EN_ROUTE, COMPLETED] = [0, 1, 2]
const GENERATION_DIGITS = 4
const TIME_BYTES = 26

/** Where the changing parts of one ping stand, from the ping's first byte. All pings are alike. */
type Places = Readonly<{
  bytes: number
  sessionGeneration: number
  orderGeneration: number
  status: number
  time: number
  lat: number
  lng: number
}>

/**
 * All frames that a load sends, made once. Sending one again changes a few bytes in place: time,
 * position, status, and with a new delivery the generation in its ids. That costs a quarter of a
 * microsecond a ping, so that the load takes little from the machine that it measures.
 */
export class FrameSet {
  readonly count: number
  readonly framePings: number
  readonly #bytes: Buffer
  readonly #frameBytes: number
  readonly #places: Places
  readonly #sessionPings: number
  readonly #rounds: Uint32Array
  readonly #lastMs: Float64Array
  /** Age at which a vehicle's first session begins, so that deliveries end all the time. */
  readonly #firstAge: Uint16Array
  /** Micro-degrees; the way of a vehicle goes to and fro along a line. */
  readonly #lat: Int32Array
  readonly #lng: Int32Array
  #timeOfMs = -1
  readonly #time = Buffer.alloc(TIME_BYTES, '2026-01-01T00:00:00.000000')

  constructor(options: FrameSetOptions) {
    const { vehicles, framePings } = options
    this.framePings = framePings
    this.count = Math.floor(vehicles / framePings)
    this.#sessionPings = options.sessionPings
    const sample = pingText(options.run, 0)
    this.#places = placesOf(sample)
    const payloadBytes = this.#places.bytes * framePings + framePings - 1
    if (payloadBytes > FRAME_BYTES_MAX || this.count < 1)
      throw new RangeError(
        `${framePings} pings do not fit a frame, or ${vehicles} vehicles fill none`,
      )
    this.#frameBytes = HEADER_BYTES + payloadBytes
    this.#bytes = Buffer.alloc(this.#frameBytes * this.count, '\n')
    this.#rounds = new Uint32Array(this.count)
    this.#lastMs = new Float64Array(this.count)
    const slots = this.count * framePings
    this.#firstAge = new Uint16Array(slots)
    this.#lat = new Int32Array(slots)
    this.#lng = new Int32Array(slots)
    for (let frame = 0; frame < this.count; frame++) this.#writeFrame(frame, options, payloadBytes)
  }

  /** The frame's next message, ready to be written; good until it is asked for again. */
  next(frame: number, nowMs: number): Buffer {
    const round = this.#rounds[frame] ?? 0
    this.#rounds[frame] = round + 1
    // Strictly rising for each vehicle, however fast the rounds are.
    const atMs = Math.max(nowMs, (this.#lastMs[frame] ?? 0) + 1)
    this.#lastMs[frame] = atMs
    this.#setTime(atMs)
    const { bytes } = this.#places
    const first = frame * this.#frameBytes + HEADER_BYTES
    for (let index = 0; index < this.framePings; index++)
      this.#patch(first + index * (bytes + 1), frame * this.framePings + index, index, round)
    return this.same(frame)
  }

  /** The frame's last message once more. */
  same(frame: number): Buffer {
    return this.#bytes.subarray(frame * this.#frameBytes, (frame + 1) * this.#frameBytes)
  }

  #patch(at: number, slot: number, index: number, round: number): void {
    const { sessionGeneration, orderGeneration, status, time, lat, lng } = this.#places
    const lived = (this.#firstAge[slot] ?? 0) + round
    const age = lived % this.#sessionPings
    const isFirst = round === 0 || age === 0
    const isLast = age === this.#sessionPings - 1
    const which = isFirst ? STARTED : isLast ? COMPLETED : EN_ROUTE
    STATUS[which ?? 0]?.copy(this.#bytes, at + status)
    if (isFirst) {
      const generation = Math.floor(lived / this.#sessionPings)
      writeDigits(this.#bytes, at + sessionGeneration, generation, GENERATION_DIGITS)
      writeDigits(this.#bytes, at + orderGeneration, generation, GENERATION_DIGITS)
    }
    this.#time.copy(this.#bytes, at + time)
    writeDigits(this.#bytes, at + time + 23, index, 3)
    // About 11 m a ping, out for 500 pings and back.
    const step = Math.abs(((((round + slot) % 1_000) + 1_000) % 1_000) - 500) * 100
    writeDegrees(this.#bytes, at + lat, (this.#lat[slot] ?? 0) + step)
    writeDegrees(this.#bytes, at + lng, (this.#lng[slot] ?? 0) + (slot % 2 === 0 ? step : -step))
  }

  #setTime(atMs: number): void {
    if (atMs === this.#timeOfMs) return
    this.#timeOfMs = atMs
    this.#time.write(new Date(atMs).toISOString().slice(0, 23))
  }

  #writeFrame(frame: number, options: FrameSetOptions, payloadBytes: number): void {
    const at = frame * this.#frameBytes
    this.#bytes[at] = options.framePings === 1 ? TEXT : BINARY
    this.#bytes[at + 1] = 0x80 | 126
    this.#bytes.writeUInt16BE(payloadBytes, at + 2)
    this.#bytes.fill(0, at + 4, at + 8)
    for (let index = 0; index < options.framePings; index++) {
      const slot = frame * options.framePings + index
      const where = at + HEADER_BYTES + index * (this.#places.bytes + 1)
      this.#bytes.write(pingText(options.run, slot), where)
      this.#firstAge[slot] = options.together ? 0 : (slot * 7_919) % options.sessionPings
      this.#lat[slot] = 37_900_000 + ((slot * 104_729) % 150_000)
      this.#lng[slot] = 23_650_000 + ((slot * 15_485_863) % 150_000)
    }
  }
}

/** A frame of the control kind or any small text, as a client sends it. */
export function clientFrame(opcode: number, payload: Uint8Array): Buffer {
  if (payload.byteLength > FRAME_BYTES_MAX) throw new RangeError('too long for one small frame')
  const long = payload.byteLength > 125
  const header = Buffer.alloc(long ? 8 : 6)
  header[0] = 0x80 | opcode
  header[1] = 0x80 | (long ? 126 : payload.byteLength)
  if (long) header.writeUInt16BE(payload.byteLength, 2)
  return Buffer.concat([header, payload])
}

/** A ping whose changing parts have their final width. */
function pingText(run: string, slot: number): string {
  const hex = slot.toString(16).padStart(8, '0')
  const tail = derivedUuid(run).slice(14)
  const id = (kind: string): string => `${kind}${hex.slice(1)}-0000-${tail}`
  return (
    `{"device_id":"${id('d')}","vehicle_id":"VAN-${String(slot).padStart(6, '0')}",` +
    `"session_id":"${id('a')}","order_id":"${id('b')}","status":"started"  ,` +
    `"timestamp":"2026-01-01T00:00:00.000000","start_lat":37.983810,"start_lon":23.727539,` +
    `"end_lat":38.010551,"end_lon":23.761200,"current_lat":37.000000,"current_lon":23.000000,` +
    `"route_name":"Syntagma – Patission","waypoint_count":42}`
  )
}

function placesOf(sample: string): Places {
  const bytes = Buffer.from(sample)
  const after = (key: string): number => bytes.indexOf(`"${key}":`) + key.length + 3
  return {
    bytes: bytes.byteLength,
    // Behind the quote, eight digits and a dash.
    sessionGeneration: after('session_id') + 10,
    orderGeneration: after('order_id') + 10,
    status: after('status'),
    time: after('timestamp') + 1,
    lat: after('current_lat'),
    lng: after('current_lon'),
  }
}

function writeDigits(into: Buffer, at: number, value: number, digits: number): void {
  let rest = value
  for (let place = at + digits - 1; place >= at; place--) {
    const next = Math.floor(rest / 10)
    into[place] = 48 + rest - next * 10
    rest = next
  }
}

/** Micro-degrees of two digits before the point: nine bytes. */
function writeDegrees(into: Buffer, at: number, microDegrees: number): void {
  const whole = Math.floor(microDegrees / 1_000_000)
  writeDigits(into, at, whole, 2)
  into[at + 2] = 46
  writeDigits(into, at + 3, microDegrees - whole * 1_000_000, 6)
}
