import { systemClock } from '../../actors/kernel/clock.ts'
import type { Random } from '../../actors/kernel/clock.ts'
import { OrreryError } from '../../actors/kernel/errors.ts'
import { Books, type FaultName } from './books.ts'
import type { TestDisk } from './disk.ts'
import { type CrashServer, pause } from './server.ts'

type Settings = Readonly<Record<string, string>>

/**
 * What a process may be started with: the shipped settings, and some that bring rare moments (a checkpoint, a new
 * segment, a commit, an actor put away, a timer) close to every kill.
 */
const SETTINGS: readonly Settings[] = [
  {},
  { SNAPSHOT_INTERVAL_MS: '500', ICEBERG_BATCH_AGE_MS: '200' },
  { SNAPSHOT_INTERVAL_MS: '300', JOURNAL_SEGMENT_BYTES: '65536', JOURNAL_RETENTION_MINUTES: '0' },
  { SNAPSHOT_INTERVAL_MS: '1000', ACTORS_AWAKE_MAX: '200', ACTOR_IDLE_MS: '1000' },
  { CLICKHOUSE_BATCH_AGE_MS: '20', ICEBERG_BATCH_AGE_MS: '50', SESSION_SILENT_MS: '2000' },
]

const ACCEPT_MS_MAX = 60_000
const HEALTHY_MS_MAX = 60_000
const STOP_MS_MAX = 20_000
const MEBIBYTE = 1_048_576

/** Does to a server, one after the other, what can happen to one. */
export class Faults {
  readonly books = new Books()
  readonly #server: CrashServer
  readonly #disk: TestDisk
  readonly #random: Random

  constructor(server: CrashServer, disk: TestDisk, random: Random) {
    this.#server = server
    this.#disk = disk
    this.#random = random
  }

  /** One fault at a random moment, and back to a server that takes pings. */
  async next(): Promise<FaultName> {
    const died = await this.#live(this.#between(100, 2_500))
    if (died) return this.#again('kill -9', false)
    const fault = this.#draw()
    this.books.note(fault)
    switch (fault) {
      case 'SIGTERM':
        return this.#stop()
      case 'SIGSTOP':
        return this.#freeze()
      case 'full disk':
        return this.#trouble(fault)
      case 'read-only disk':
        return this.#trouble(fault)
      case 'power cut':
        return this.#powerCut()
      default:
        await this.#kill()
        return this.#again('kill -9')
    }
  }

  /** Starts it for the first time, or at the end with the shipped settings. */
  async start(settings: Settings = {}): Promise<void> {
    this.#server.start(settings)
    await this.#accepted('a start')
  }

  /** Waits for the server to be well in all parts; false, and a failure noted, when it is not. */
  async healthy(after: string): Promise<boolean> {
    const beganMs = systemClock.monotonicMs()
    while (systemClock.monotonicMs() - beganMs < HEALTHY_MS_MAX) {
      if (await this.#server.healthy()) {
        this.books.healthyMs.push(systemClock.monotonicMs() - beganMs)
        return true
      }
      if (!this.#server.running) break
      await pause(50)
    }
    const health = await this.#server.health()
    this.#fail(`not healthy ${HEALTHY_MS_MAX / 1_000} s after ${after}: ${health ?? 'it is gone'}`)
    return false
  }

  #draw(): FaultName {
    const { faults } = this.#disk
    const weights: readonly (readonly [FaultName, number])[] = [
      ['kill -9', 60],
      ['SIGTERM', 10],
      ['SIGSTOP', 8],
      ['full disk', faults.has('full') ? 8 : 0],
      ['read-only disk', faults.has('read-only') ? 5 : 0],
      ['power cut', faults.has('power-cut') ? 9 : 0],
    ]
    let left = this.#random() * weights.reduce((sum, [, weight]) => sum + weight, 0)
    for (const [name, weight] of weights) {
      left -= weight
      if (left < 0) return name
    }
    return 'kill -9'
  }

  async #kill(): Promise<void> {
    await this.#server.end('SIGKILL')
    this.books.kills++
  }

  /** Starts it after its end; now and then it is killed in the middle of that, too. */
  async #again(why: FaultName, measured = true): Promise<FaultName> {
    for (;;) {
      this.#server.start(this.#settings())
      if (this.#random() > 0.15) break
      await pause(this.#between(0, 1_500))
      await this.#kill()
      this.books.note('kill -9 while starting')
    }
    const tookMs = await this.#accepted(why)
    if (measured) this.books.acceptAgainMs.push(tookMs)
    return why
  }

  async #stop(): Promise<FaultName> {
    this.#server.signal('SIGTERM')
    if (this.#random() < 0.4) {
      await pause(this.#between(0, 600))
      const alive = this.#server.running
      await this.#server.end('SIGKILL')
      if (alive) {
        this.books.kills++
        this.books.note('kill -9 while stopping')
        return this.#again('kill -9 while stopping')
      }
    }
    const late = pause(STOP_MS_MAX).then(() => null)
    const code = await Promise.race([this.#server.ended, late])
    if (code === null) {
      this.#fail(`SIGTERM did not end it within ${STOP_MS_MAX / 1_000} s`)
      await this.#kill()
    } else if (code !== 0) this.books.uncleanStops++
    return this.#again('SIGTERM', false)
  }

  async #freeze(): Promise<FaultName> {
    this.#server.signal('SIGSTOP')
    await pause(this.#between(100, 4_000))
    if (this.#random() < 0.3) {
      await this.#kill()
      return this.#again('kill -9')
    }
    this.#server.signal('SIGCONT')
    await this.#accepted('SIGSTOP')
    return 'SIGSTOP'
  }

  /** A disk that takes nothing for a while: the process lives through it, or is killed and started on it. */
  async #trouble(fault: 'full disk' | 'read-only disk'): Promise<FaultName> {
    const disk = this.#disk
    // With 0 bytes every store meets the end of the disk; with more the journal's reserve is what counts.
    if (fault === 'full disk')
      await disk.fill(this.#random() < 0.5 ? 0 : this.#between(0, 40) * MEBIBYTE)
    else await disk.lock()
    await this.#live(this.#between(200, 3_000))
    if (this.#server.running) this.books.noteAnswer(await this.#server.tryOnce())
    else this.#fail(`it ended by itself on a ${fault}:\n${this.#server.lastWords(5)}`)
    const killed = this.#server.running && this.#random() < 0.4
    if (killed) {
      await this.#kill()
      await this.#startInTrouble()
    }
    if (fault === 'full disk') await disk.empty()
    else await disk.unlock()
    if (!this.#server.running) return this.#again(fault, false)
    const beganMs = systemClock.monotonicMs()
    await this.#accepted(fault)
    this.books.returnMs.push(systemClock.monotonicMs() - beganMs)
    await this.healthy(`a ${fault}`)
    return fault
  }

  /** On a disk that cannot be written a start may be refused, or serve what it can. */
  async #startInTrouble(): Promise<void> {
    this.#server.start(this.#settings())
    const ended = this.#server.ended.then(() => true)
    if (await Promise.race([ended, pause(this.#between(500, 4_000)).then(() => false)])) {
      this.books.startsRefused++
    }
  }

  /** What was not synced is gone, under a process that runs or after its end. */
  async #powerCut(): Promise<FaultName> {
    if (this.#random() < 0.5) {
      this.#disk.cutPower()
      await pause(this.#between(0, 200))
      await this.#kill()
    } else {
      await this.#kill()
      this.#disk.cutPower()
    }
    await this.#disk.replug()
    return this.#again('power cut')
  }

  /** Lets it run; true when it ended by itself meanwhile. */
  async #live(ms: number): Promise<boolean> {
    const ended = this.#server.ended.then(() => true)
    const died = await Promise.race([ended, pause(ms).then(() => false)])
    if (died) this.#fail(`it ended by itself:\n${this.#server.lastWords(5)}`)
    return died
  }

  async #accepted(after: string): Promise<number> {
    const tookMs = await this.#server.accepted(ACCEPT_MS_MAX)
    if (tookMs !== null) return tookMs
    const why = this.#server.running
      ? `no ping was taken within ${ACCEPT_MS_MAX / 1_000} s after ${after}: ${await this.#server.health()}`
      : `it ended by itself after ${after}:\n${this.#server.lastWords(5)}`
    throw new OrreryError('not_accepting', why)
  }

  #fail(what: string): void {
    this.books.failures.push(what)
  }

  #settings(): Settings {
    return SETTINGS[Math.floor(this.#random() * SETTINGS.length)] ?? {}
  }

  #between(from: number, to: number): number {
    return from + this.#random() * (to - from)
  }
}
