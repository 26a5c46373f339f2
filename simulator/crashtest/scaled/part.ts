import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'

import type { Clock } from '../../../actors/kernel/clock.ts'
import type { Environment } from '../../../actors/testing/services.ts'
import { asRecord, parseJson } from '../../wire.ts'
import { pause } from '../server.ts'

const ROOT = dirname(dirname(dirname(import.meta.dir)))
const ANSWER_MS_MAX = 5_000
const TRY_EVERY_MS = 100
const HOST = '127.0.0.1'

export type PartOptions = Readonly<{
  /** `worker-2`. */
  name: string
  roles: string
  port: number
  /** Of the test itself: where programs and a home are. */
  env: Environment
  root: string
  clock: Clock
  settings: Readonly<Record<string, string>>
}>

/** One process of ours with the roles it was given, which may be ended and frozen in any way. */
export class Part {
  readonly name: string
  readonly #options: PartOptions
  #child: Bun.Subprocess | null = null
  /** Whether it was we who ended it. */
  #meant = true

  constructor(options: PartOptions) {
    this.name = options.name
    this.#options = options
  }

  get port(): number {
    return this.#options.port
  }

  get url(): string {
    return `http://${HOST}:${this.#options.port}`
  }

  get pid(): number | null {
    return this.running ? (this.#child?.pid ?? null) : null
  }

  get running(): boolean {
    const child = this.#child
    return child !== null && child.exitCode === null && child.signalCode === null
  }

  /** It ended, and nobody of the test had ended it. */
  get endedByItself(): boolean {
    return !this.#meant && !this.running
  }

  get logFile(): string {
    return join(this.#options.root, `${this.name}.log`)
  }

  /** Starts it, over what it left or with an empty folder as on another machine. */
  start(anew = false): void {
    if (this.running) throw new Error(`${this.name} runs already`)
    const { env, root, roles, port, settings } = this.#options
    const dataDir = join(root, 'data', this.name)
    if (anew) rmSync(dataDir, { recursive: true, force: true })
    mkdirSync(dirname(dataDir), { recursive: true })
    const log = openSync(this.logFile, 'a')
    this.#meant = false
    this.#child = Bun.spawn([process.execPath, 'deploy/boot.ts', 'deploy/start.ts'], {
      cwd: ROOT,
      env: {
        ...{ PATH: env.PATH ?? '', HOME: env.HOME ?? root },
        ...{ UV_THREADPOOL_SIZE: '16', HOST, PORT: String(port) },
        ...{ ROLES: roles, DATA_DIR: dataDir, ...settings },
      },
      stdio: ['ignore', log, log],
    })
    closeSync(log)
  }

  async kill(): Promise<void> {
    this.#meant = true
    this.#child?.kill('SIGKILL')
    await this.#child?.exited
  }

  /** Ends it in peace: its exit code, or null when it had to be killed after `withinMs`. */
  async stop(withinMs: number): Promise<number | null> {
    this.#meant = true
    this.#child?.kill('SIGTERM')
    const late = pause(withinMs).then(() => null)
    const code = await Promise.race([this.#child?.exited ?? Promise.resolve(0), late])
    if (code === null) await this.kill()
    return code
  }

  freeze(): void {
    this.#child?.kill('SIGSTOP')
  }

  thaw(): void {
    this.#child?.kill('SIGCONT')
  }

  /** Waits until it serves; false when it ends before, or after `withinMs`. */
  async ready(withinMs: number): Promise<boolean> {
    const { clock } = this.#options
    const endMs = clock.monotonicMs() + withinMs
    while (this.running && clock.monotonicMs() < endMs) {
      const response = await this.ask('/ready')
      if (response?.status === 200) return true
      await pause(TRY_EVERY_MS)
    }
    return false
  }

  /** What it answers there, or null when it does not. */
  async ask(path: string): Promise<Readonly<{ status: number; text: string }> | null> {
    try {
      const headers = { connection: 'close' }
      const signal = AbortSignal.timeout(ANSWER_MS_MAX)
      const response = await fetch(`${this.url}${path}`, { headers, signal })
      return { status: response.status, text: await response.text() }
    } catch {
      return null
    }
  }

  /** What it says of its health, shortened for a report. */
  async health(): Promise<string> {
    const answer = await this.ask('/health')
    const health = asRecord(parseJson(answer?.text ?? ''))
    return health ? JSON.stringify(health).slice(0, 2_000) : 'no answer'
  }

  /** The last lines that it printed. */
  lastWords(lines = 8): string {
    if (!existsSync(this.logFile)) return ''
    return readFileSync(this.logFile, 'utf8').trimEnd().split('\n').slice(-lines).join('\n')
  }
}
