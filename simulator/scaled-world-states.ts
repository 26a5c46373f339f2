import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { StateThreads } from '../actors/kernel/shared-states.ts'
import { SharedTables } from '../actors/kernel/shared-tables.ts'
import type { SharedReply, SharedRequest } from '../actors/kernel/shared-worker.ts'
import { stateError, StateTables } from '../actors/kernel/state-tables.ts'
import type { WorkerReply, WorkerRequest } from '../actors/kernel/state-worker.ts'
import type { Node } from './scaled-world-node.ts'

/** Where a run's scratch files are: in memory where the machine has such a folder. */
export class Scratch {
  readonly #folder: string
  #files = 0

  constructor() {
    this.#folder = mkdtempSync(join(tmpdir(), 'orrery-sim-'))
  }

  /** A file that nobody has used. */
  path(): string {
    return join(this.#folder, `${this.#files++}.db`)
  }

  /** Removes a file with what lies beside it. */
  remove(path: string): void {
    for (const end of ['', '-wal', '-shm', '-segments', '-segments-journal']) {
      rmSync(`${path}${end}`, { force: true })
    }
  }

  close(): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** The tables beside the event loop, on it: the real ones, whose answers come in virtual time. */
export function nodeThreads(node: Node, path: string): StateThreads {
  return {
    shared: () => thread(node, sharedAnswers(path)),
    tables: () => thread(node, tableAnswers(path)),
  }
}

/** One question, one answer, in order; whoever ends it gets no answer any more. */
function thread<Request, Reply>(
  node: Node,
  answers: Readonly<{ answer: (request: Request) => Reply; close: () => void }>,
): Worker {
  let isEnded = false
  const end = (): void => {
    if (isEnded) return
    isEnded = true
    answers.close()
  }
  node.onDeath(end)
  const worker = {
    onmessage: (_: Readonly<{ data: Reply }>): void => {},
    addEventListener: (): void => {},
    postMessage(request: Request): void {
      node.clock.after(1, () => {
        if (isEnded) return
        const data = answers.answer(request)
        // After those that wait for what was answered before.
        node.clock.soon(() => worker.onmessage({ data }))
      })
    },
    terminate: end,
  }
  return worker as unknown as Worker
}

function sharedAnswers(path: string) {
  const nothing: SharedReply = { kept: [], block: null, states: 0, error: null }
  let tables: SharedTables | null = null
  const handle = (request: SharedRequest): SharedReply => {
    if (request.ask === 'open') tables = new SharedTables(request.path)
    if (!tables) throw new Error('the tables are not open')
    switch (request.ask) {
      case 'restore': {
        const bytes = new Uint8Array(request.memory)
        return { ...nothing, states: tables.restore({ ...request, bytes }) }
      }
      case 'restored':
        tables.restored()
        break
      case 'change':
        tables.change(request.keys)
        break
      case 'begin': {
        const { segment, through, segments } = request
        return { ...nothing, kept: tables.begin(segment, through, segments) }
      }
      case 'next':
      case 'marks': {
        const { bytes, states } = request.ask === 'next' ? tables.next() : tables.marks()
        return { ...nothing, block: bytes, states }
      }
      case 'end':
        tables.end()
        break
      case 'close':
        close()
        break
      case 'open':
        break
    }
    return nothing
  }
  const close = (): void => {
    tables?.close()
    tables = null
  }
  const answer = (request: SharedRequest): SharedReply => {
    try {
      return handle(request)
    } catch (thrown) {
      return { ...nothing, error: errorOf(thrown, path) }
    }
  }
  return { answer, close }
}

function tableAnswers(path: string) {
  let tables: StateTables | null = null
  const close = (): void => {
    tables?.close()
    tables = null
  }
  const answer = (request: WorkerRequest): WorkerReply => {
    const memory = request.ask === 'apply' ? request.memory : null
    try {
      if (request.ask === 'open') tables = StateTables.open(request.path, request.scratch)
      else if (request.ask === 'apply') tables?.apply(request.memory, request.bytes)
      else close()
      return { count: tables?.count ?? 0, memory, error: null }
    } catch (thrown) {
      return { count: 0, memory, error: errorOf(thrown, path) }
    }
  }
  return { answer, close }
}

function errorOf(thrown: unknown, path: string) {
  const { code, message, retriable } = stateError(thrown, path)
  return { code, message, retriable }
}
