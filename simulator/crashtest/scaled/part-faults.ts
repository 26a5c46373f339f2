import type { Clock, Random } from '../../../actors/kernel/clock.ts'
import { pause } from '../server.ts'
import type { LineFault, ScaledBooks, ScaledFault } from './books.ts'
import type { Kind } from './cluster.ts'
import type { Crew } from './crew.ts'
import { RedisReader } from './redis-reader.ts'
import { type ServerName, SERVERS } from './servers.ts'

/** Longer than a worker may be silent before the group gives its partitions away. */
const SESSION_MS = 10_000
const FROZEN_MS = 20_000
const STOP_MS_MAX = 60_000

export type PartFaultsOptions = Readonly<{
  crew: Crew
  books: ScaledBooks
  random: Random
  say: (text: string) => void
  clock: Clock
}>

/** Puts right what a fault did. */
export type End = () => Promise<void>

/** What happens to processes: ours and the servers'. */
export class PartFaults {
  readonly #options: PartFaultsOptions

  constructor(options: PartFaultsOptions) {
    this.#options = options
  }

  /** Does it; the result puts it right, and everybody is started again then. */
  async begin(fault: Exclude<ScaledFault, LineFault>): Promise<End> {
    switch (fault) {
      case 'worker kill -9':
        return this.#kill('worker', this.#between(0, 14_000))
      case 'worker kill -9 while starting':
        return this.#killWhileStarting()
      case 'worker SIGSTOP beyond its session':
        return this.#zombie()
      case 'worker joins':
        return this.#join()
      case 'worker leaves':
        return this.#leave()
      case 'gateway kill -9':
        return this.#kill('gateway', this.#between(0, 5_000))
      case 'web kill -9':
        return this.#kill('web', this.#between(0, 5_000))
      case 'edge kill -9':
        return this.#kill('edge', this.#between(0, 5_000))
      case 'broker kill -9':
        return this.#killServer('broker')
      case 'Redis kill -9':
        return this.#killServer('Redis')
      case 'S3 server kill -9':
        return this.#killServer('S3 server')
      case 'catalog kill -9':
        return this.#killServer('catalog')
      case 'ClickHouse kill -9':
        return this.#killServer('ClickHouse')
      case 'Redis flushed':
        return this.#flushRedis()
      case 'server SIGSTOP 20 s':
        return this.#freezeServer()
    }
  }

  async #kill(kind: Kind, downMs: number): Promise<End> {
    const part = this.#pick(this.#options.crew.running(kind))
    this.#options.say(`kill -9 of ${part.name}, for ${seconds(downMs)}`)
    await part.kill()
    return async () => {
      await pause(downMs)
      this.#options.crew.start(part)
    }
  }

  async #killWhileStarting(): Promise<End> {
    const part = this.#pick(this.#options.crew.running('worker'))
    this.#options.say(`kill -9 of ${part.name}, again while it starts`)
    await part.kill()
    this.#options.crew.start(part)
    await pause(this.#between(200, 6_000))
    await part.kill()
    return async () => this.#options.crew.start(part)
  }

  async #zombie(): Promise<End> {
    const part = this.#pick(this.#options.crew.running('worker'))
    const ms = SESSION_MS + this.#between(2_000, 10_000)
    this.#options.say(`SIGSTOP of ${part.name} for ${seconds(ms)}`)
    part.freeze()
    return async () => {
      await pause(ms)
      part.thaw()
    }
  }

  async #join(): Promise<End> {
    const all = this.#options.crew.cluster.of('worker')
    const part = this.#pick(all.filter((one) => !one.running))
    this.#options.say(`${part.name} joins`)
    this.#options.crew.start(part)
    return async () => {}
  }

  async #leave(): Promise<End> {
    const part = this.#pick(this.#options.crew.running('worker'))
    this.#options.say(`${part.name} leaves`)
    this.#options.crew.dismiss(part)
    return async () => {
      const code = await part.stop(STOP_MS_MAX)
      const { books } = this.#options
      const late = `${part.name} did not leave within ${STOP_MS_MAX / 1_000} s`
      if (code === null) books.failures.push(late)
      else if (code !== 0) books.uncleanStops.push(`${part.name} left with ${code}`)
    }
  }

  async #killServer(name: ServerName): Promise<End> {
    const server = this.#options.crew.cluster.servers.of(name)
    const downMs = this.#options.random() < 0.5 ? 0 : this.#between(500, 15_000)
    this.#options.say(`kill -9 of ${name}, for ${seconds(downMs)}`)
    await server.kill()
    return async () => {
      await pause(downMs)
      await server.start()
    }
  }

  async #freezeServer(): Promise<End> {
    const name = this.#pick(SERVERS)
    const server = this.#options.crew.cluster.servers.of(name)
    this.#options.say(`SIGSTOP of ${name}`)
    server.pause()
    return async () => {
      await pause(FROZEN_MS)
      server.resume()
    }
  }

  async #flushRedis(): Promise<End> {
    this.#options.say('FLUSHALL')
    using redis = await RedisReader.open(
      this.#options.crew.cluster.servers.redis,
      this.#options.clock,
    )
    await redis.send('FLUSHALL')
    return async () => {}
  }

  #pick<T>(some: readonly T[]): T {
    const one = some[Math.floor(this.#options.random() * some.length)]
    if (one === undefined) throw new Error('there is none to pick')
    return one
  }

  #between(from: number, to: number): number {
    return from + this.#options.random() * (to - from)
  }
}

/** For people. */
export function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`
}
