import { OrreryError } from './errors.ts'
import type { SegmentUse } from './shared-merge.ts'
import { SharedTables } from './shared-tables.ts'
import { stateError } from './state-tables.ts'
import type { ThreadError } from './state-thread.ts'

/** What the worker is asked: the path, what to restore, then segments, block by block, and at last to close. */
export type SharedRequest =
  | Readonly<{ ask: 'open'; path: string }>
  | Readonly<{
      ask: 'restore'
      name: string
      memory: ArrayBuffer
      segment: number | null
      through: number
    }>
  | Readonly<{ ask: 'restored' }>
  | Readonly<{ ask: 'change'; keys: readonly string[] }>
  | Readonly<{
      ask: 'begin'
      segment: number
      through: number
      segments: readonly Omit<SegmentUse, 'live'>[]
    }>
  | Readonly<{ ask: 'next' }>
  | Readonly<{ ask: 'marks' }>
  | Readonly<{ ask: 'end' }>
  | Readonly<{ ask: 'close' }>

/** One answer to each request, in order. */
export type SharedReply = Readonly<{
  /** Numbers of the segments that stay, of `begin`. */
  kept: readonly number[]
  block: Uint8Array<ArrayBuffer> | null
  states: number
  error: ThreadError | null
}>

const NOTHING: SharedReply = { kept: [], block: null, states: 0, error: null }

declare const self: Worker

let tables: SharedTables | null = null
let path = ''

self.onmessage = (event: MessageEvent<SharedRequest>) => {
  const reply = answerTo(event.data)
  self.postMessage(reply, reply.block ? [reply.block.buffer] : [])
}

function answerTo(request: SharedRequest): SharedReply {
  try {
    return handle(request)
  } catch (cause) {
    const { code, message, retriable } = stateError(cause, path)
    return { ...NOTHING, error: { code, message, retriable } }
  }
}

function handle(request: SharedRequest): SharedReply {
  if (request.ask === 'open') {
    path = request.path
    tables = new SharedTables(path)
    return NOTHING
  }
  if (!tables) throw new OrreryError('state_failed', `the state store ${path} is not open`)
  switch (request.ask) {
    case 'restore':
      return {
        ...NOTHING,
        states: tables.restore({ ...request, bytes: new Uint8Array(request.memory) }),
      }
    case 'restored':
      tables.restored()
      return NOTHING
    case 'change':
      tables.change(request.keys)
      return NOTHING
    case 'begin':
      return { ...NOTHING, kept: tables.begin(request.segment, request.through, request.segments) }
    case 'next':
    case 'marks': {
      const { bytes, states } = request.ask === 'next' ? tables.next() : tables.marks()
      return { ...NOTHING, block: bytes, states }
    }
    case 'end':
      tables.end()
      return NOTHING
    case 'close':
      tables.close()
      tables = null
      return NOTHING
  }
}
