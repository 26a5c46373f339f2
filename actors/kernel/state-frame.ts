import { assert } from './errors.ts'
import type { StoredState } from './state-store.ts'

/*
 * What the store's thread and its worker say to each other: bytes that change hands, because cloning
 * thousands of objects would hold the event loop up. A frame is one transaction:
 *
 *   floor, then operations: state (1), mark (2), rewind (3), each with its lengths before its bytes
 */

const FLOOR_BYTES = 8
const OPERATION_BYTES = 28
const KEY_BYTES_MAX = 65_535
const STATE = 1
const MARK = 2
const REWIND = 3

/** What a frame asks to be written, in order. */
export type StateOperation =
  | Readonly<{ kind: 'state'; state: StoredState }>
  | Readonly<{ kind: 'mark'; name: string; value: Uint8Array }>
  | Readonly<{ kind: 'rewind'; offset: number }>

/** Collects operations into one buffer, up to a bound. */
export class StateFrame {
  #buffer: Buffer<ArrayBuffer>
  #view: DataView
  #length = FLOOR_BYTES
  operations = 0

  constructor(memory: ArrayBuffer) {
    this.#buffer = Buffer.from(memory)
    this.#view = new DataView(memory)
  }

  /** False when the operation belongs into the next frame; an empty frame takes any. */
  add(operation: StateOperation): boolean {
    const [name, value] = partsOf(operation)
    if (!this.#makeRoom(OPERATION_BYTES + name.length * 3 + value.byteLength)) return false
    const at = this.#length
    const view = this.#view
    const nameBytes = this.#buffer.write(name, at + OPERATION_BYTES)
    assert(nameBytes <= KEY_BYTES_MAX, 'the key of a stored state is too long')
    this.#buffer.set(value, at + OPERATION_BYTES + nameBytes)
    view.setUint16(at + 2, nameBytes, true)
    view.setUint32(at + 4, value.byteLength, true)
    if (operation.kind === 'state') {
      const { offset, version, timerMs, live } = operation.state
      view.setUint8(at, STATE)
      view.setUint8(at + 1, live ? 1 : 0)
      view.setUint32(at + 8, version, true)
      view.setFloat64(at + 12, offset, true)
      view.setFloat64(at + 20, timerMs ?? NaN, true)
    } else if (operation.kind === 'mark') {
      view.setUint8(at, MARK)
    } else {
      view.setUint8(at, REWIND)
      view.setFloat64(at + 12, operation.offset, true)
    }
    this.#length = at + OPERATION_BYTES + nameBytes + value.byteLength
    this.operations++
    return true
  }

  /** The memory to hand over, and how much of it counts. The frame is spent afterwards. */
  seal(floor: number): { memory: ArrayBuffer; bytes: number } {
    this.#view.setFloat64(0, floor, true)
    return { memory: this.#buffer.buffer, bytes: this.#length }
  }

  #makeRoom(bytes: number): boolean {
    if (this.#length + bytes <= this.#buffer.byteLength) return true
    if (this.operations > 0) return false
    this.#buffer = Buffer.from(new ArrayBuffer(this.#length + bytes))
    this.#view = new DataView(this.#buffer.buffer)
    return true
  }
}

/** The floor of a frame. */
export function floorOf(memory: ArrayBuffer): number {
  return new DataView(memory).getFloat64(0, true)
}

/** The operations of a frame; their bytes look into it. */
export function* operationsIn(memory: ArrayBuffer, bytes: number): Generator<StateOperation> {
  const buffer = Buffer.from(memory)
  const view = new DataView(memory)
  for (let at = FLOOR_BYTES; at < bytes;) {
    const nameAt = at + OPERATION_BYTES
    const valueAt = nameAt + view.getUint16(at + 2, true)
    const end = valueAt + view.getUint32(at + 4, true)
    const name = buffer.toString('utf8', nameAt, valueAt)
    const value = buffer.subarray(valueAt, end)
    const offset = view.getFloat64(at + 12, true)
    const kind = view.getUint8(at)
    if (kind === REWIND) yield { kind: 'rewind', offset }
    else if (kind === MARK) yield { kind: 'mark', name, value }
    else {
      const timerMs = view.getFloat64(at + 20, true)
      const live = view.getUint8(at + 1) === 1
      const version = view.getUint32(at + 8, true)
      const rest = { version, state: value, live, timerMs: Number.isNaN(timerMs) ? null : timerMs }
      yield { kind: 'state', state: { key: name, offset, ...rest } }
    }
    at = end
  }
}

const NOTHING = new Uint8Array(0)

function partsOf(operation: StateOperation): [name: string, value: Uint8Array] {
  switch (operation.kind) {
    case 'state':
      return [operation.state.key, operation.state.state]
    case 'mark':
      return [operation.name, operation.value]
    case 'rewind':
      return ['', NOTHING]
  }
}
