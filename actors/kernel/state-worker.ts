import { OrreryError } from './errors.ts'
import { stateError, StateTables } from './state-tables.ts'
import type { ThreadError } from './state-thread.ts'

/** What the worker is asked: the path first, then frames, then to close. */
export type WorkerRequest =
  | Readonly<{ ask: 'open'; path: string; scratch: boolean }>
  | Readonly<{ ask: 'apply'; memory: ArrayBuffer; bytes: number }>
  | Readonly<{ ask: 'close' }>

/** One answer to each request, in order. A frame's memory comes back to be used again. */
export type WorkerReply = Readonly<{
  count: number
  memory: ArrayBuffer | null
  error: ThreadError | null
}>

declare const self: Worker

let tables: StateTables | null = null
let path = ''

self.onmessage = (event: MessageEvent<WorkerRequest>) => {
  const request = event.data
  const memory = request.ask === 'apply' ? request.memory : null
  let error: WorkerReply['error'] = null
  try {
    handle(request)
  } catch (cause) {
    const { code, message, retriable } = stateError(cause, path)
    error = { code, message, retriable }
  }
  const reply: WorkerReply = { count: tables?.count ?? 0, memory, error }
  self.postMessage(reply, memory ? [memory] : [])
}

function handle(request: WorkerRequest): void {
  if (request.ask === 'open') {
    path = request.path
    tables = StateTables.open(path, request.scratch)
    return
  }
  if (!tables) throw new OrreryError('state_failed', `the state store ${path} is not open`)
  if (request.ask === 'apply') return tables.apply(request.memory, request.bytes)
  tables.close()
  tables = null
}
