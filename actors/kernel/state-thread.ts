import { OrreryError } from './errors.ts'
/** How a worker says that something failed. */
export type ThreadError = Readonly<{ code: string; message: string; retriable: boolean }>

type Answer = Readonly<{ error: ThreadError | null }>

type Waiting<Reply> = Readonly<{
  resolve: (reply: Reply) => void
  reject: (error: OrreryError) => void
}>

/** A worker beside the event loop: one question, one answer, in order. */
export class StateThread<Request, Reply extends Answer> {
  readonly #path: string
  readonly #worker: Worker
  readonly #waiting: Waiting<Reply>[] = []
  #ended: OrreryError | null = null

  /** `path` names it in errors. */
  constructor(path: string, worker: Worker) {
    this.#path = path
    this.#worker = worker
    this.#worker.onmessage = (event: MessageEvent<Reply>) => this.#answer(event.data)
    this.#worker.onerror = (event) => this.#fail(event.message)
    this.#worker.addEventListener('close', () => this.#fail('its thread ended'))
  }

  /** Asks; memory that goes along changes hands. */
  ask(request: Request, memory?: ArrayBuffer): Promise<Reply> {
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

  #answer(reply: Reply): void {
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
