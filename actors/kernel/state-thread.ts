import { OrreryError } from './errors.ts'
import type { WorkerReply, WorkerRequest } from './state-worker.ts'

type Waiting = Readonly<{
  resolve: (reply: WorkerReply) => void
  reject: (error: OrreryError) => void
}>

/** The worker that writes: one question, one answer, in order. */
export class StateThread {
  readonly #path: string
  readonly #worker: Worker
  readonly #waiting: Waiting[] = []
  #ended: OrreryError | null = null

  constructor(path: string) {
    this.#path = path
    this.#worker = new Worker(new URL('./state-worker.ts', import.meta.url))
    this.#worker.onmessage = (event: MessageEvent<WorkerReply>) => this.#answer(event.data)
    this.#worker.onerror = (event) => this.#fail(event.message)
    this.#worker.addEventListener('close', () => this.#fail('its thread ended'))
  }

  /** Asks; memory that goes along changes hands. */
  ask(request: WorkerRequest, memory?: ArrayBuffer): Promise<WorkerReply> {
    if (this.#ended) return Promise.reject(this.#ended)
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      this.#worker.postMessage(request, memory ? [memory] : [])
    })
  }

  end(): void {
    this.#fail('it is closed')
    this.#worker.terminate()
  }

  #answer(reply: WorkerReply): void {
    const waiting = this.#waiting.shift()
    const { error } = reply
    if (!error) waiting?.resolve(reply)
    else {
      const { code, message, retriable } = error
      waiting?.reject(new OrreryError(code, message, { retriable }))
    }
  }

  #fail(what: string): void {
    this.#ended ??= new OrreryError('state_failed', `the state store ${this.#path}: ${what}`)
    for (const { reject } of this.#waiting.splice(0)) reject(this.#ended)
  }
}
