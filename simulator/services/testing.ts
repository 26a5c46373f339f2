import { createHash } from 'node:crypto'

import type { Clock } from '../../actors/kernel/clock.ts'
import type { Jar } from './jars.ts'

/** A clock whose short waits are over at once; a long one, which waits for what should not come, ends when told. */
export class HastyClock implements Clock {
  readonly waitedMs: number[] = []
  #last: (() => void) | null = null

  nowMs(): number {
    return 0
  }

  monotonicMs(): number {
    return 0
  }

  after(delayMs: number, call: () => void): () => void {
    if (delayMs < 30_000) {
      this.waitedMs.push(delayMs)
      setImmediate(call)
    } else {
      this.#last = call
    }
    return () => {}
  }

  soon(call: () => void): void {
    setImmediate(call)
  }

  /** Ends the long wait that began last. */
  end(): void {
    this.#last?.()
  }
}

/** Answers in place of a registry's own, by the number of the request. */
export type Fault = (request: number, bytes: Uint8Array) => Response | null

/** A Maven repository of one jar, which may answer otherwise for a while. */
export class Registry implements Disposable {
  readonly jar: Jar
  readonly bytes: Uint8Array<ArrayBuffer>
  /** What each request asked for, "" for all of it. */
  readonly ranges: string[] = []
  readonly #server: Bun.Server<undefined>

  constructor(fault: Fault = () => null, text = 'the text of a jar'.repeat(1_000)) {
    this.bytes = new TextEncoder().encode(text)
    const sha256 = createHash('sha256').update(this.bytes).digest('hex')
    const name = 'artifact-1.0.jar'
    this.jar = { name, path: `group/artifact/1.0/${name}`, bytes: this.bytes.length, sha256 }
    this.#server = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      fetch: (request) => {
        const range = request.headers.get('range') ?? ''
        this.ranges.push(range)
        if (new URL(request.url).pathname !== `/${this.jar.path}`) {
          return new Response('', { status: 404 })
        }
        return fault(this.ranges.length, this.bytes) ?? this.#answer(range)
      },
    })
  }

  get url(): string {
    return this.#server.url.href.replace(/\/$/, '')
  }

  [Symbol.dispose](): void {
    void this.#server.stop(true)
  }

  #answer(range: string): Response {
    const from = Number(/^bytes=(\d+)-$/.exec(range)?.[1] ?? 0)
    return new Response(this.bytes.slice(from), { status: range === '' ? 200 : 206 })
  }
}
