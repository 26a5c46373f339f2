import { appendFileSync, closeSync, openSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname } from 'node:path'

import { systemClock } from '../../actors/kernel/clock.ts'
import { asRecord, parseJson, wireTime } from '../wire.ts'

type Settings = Readonly<Record<string, string>>

const ROOT = dirname(dirname(import.meta.dir))
const PROBE_EVERY_MS = 10
const PROBE_MS_MAX = 5_000

export type CrashServerOptions = Readonly<{
  dataDir: string
  /** Everything that the server prints. */
  logFile: string
  /** Pings of the probes that were acknowledged, in the form of the simulator's own record. */
  recordFile: string
  seed: number
}>

/** The shipped server as a process that may be ended in any way, asked and probed from outside. */
export class CrashServer {
  readonly key = `crashtest-${crypto.randomUUID()}`
  readonly #options: CrashServerOptions
  readonly #port: number
  #child: Bun.Subprocess | null = null
  #startedMs = 0
  #probes = 0
  #retired = false

  private constructor(options: CrashServerOptions, port: number) {
    this.#options = options
    this.#port = port
  }

  /** Not started yet; the port is the same after every restart. */
  static async prepare(options: CrashServerOptions): Promise<CrashServer> {
    return new CrashServer(options, await freePort())
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  /** Of the process that was started last. */
  get pid(): number | undefined {
    return this.#child?.pid
  }

  get running(): boolean {
    return this.#child !== null && this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Settles with the exit code when the process ends, whoever ends it. */
  get ended(): Promise<number> {
    return this.#child?.exited ?? Promise.resolve(0)
  }

  start(settings: Settings): void {
    if (this.#retired) throw new Error('the test is over')
    const log = openSync(this.#options.logFile, 'a')
    this.#startedMs = systemClock.monotonicMs()
    this.#child = Bun.spawn([process.execPath, 'deploy/boot.ts', 'deploy/start.ts'], {
      cwd: ROOT,
      env: {
        HOST: '127.0.0.1',
        PORT: String(this.#port),
        API_KEY: this.key,
        DATA_DIR: this.#options.dataDir,
        ...settings,
      },
      stdio: ['ignore', log, log],
    })
    closeSync(log)
  }

  /** Ends it at once, for good: whoever would start it again gets an error. */
  async retire(): Promise<void> {
    this.#retired = true
    if (this.running) await this.end('SIGKILL')
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal)
  }

  /** Ends it and waits until it is gone; the exit code. */
  async end(signal: NodeJS.Signals): Promise<number> {
    this.signal(signal)
    return this.ended
  }

  /**
   * Sends one ping, again and again, until it is acknowledged: milliseconds since the start of the process.
   * Null when the process ends before, or after `withinMs`.
   */
  async accepted(withinMs: number): Promise<number | null> {
    const ping = this.#probe()
    const endMs = systemClock.monotonicMs() + withinMs
    let gone = false
    void this.ended.then(() => (gone = true))
    while (!gone && systemClock.monotonicMs() < endMs) {
      const status = await this.#post(ping)
      if (status === 200) {
        appendFileSync(this.#options.recordFile, `${ping}\n`)
        return systemClock.monotonicMs() - this.#startedMs
      }
      await pause(PROBE_EVERY_MS)
    }
    return null
  }

  /** The answer's status for one ping that may be refused, 0 for none; an acknowledged one is recorded. */
  async tryOnce(): Promise<number> {
    const ping = this.#probe()
    const status = await this.#post(ping)
    if (status === 200) appendFileSync(this.#options.recordFile, `${ping}\n`)
    return status
  }

  /** Whether the server says of itself that all of its parts are well. */
  async healthy(): Promise<boolean> {
    const answer = await this.#get('/health')
    return asRecord(parseJson(answer ?? ''))?.status === 'healthy'
  }

  /** What `/health` says, for a report. */
  health(): Promise<string | null> {
    return this.#get('/health')
  }

  metrics(): Promise<string | null> {
    return this.#get('/metrics')
  }

  /** `bun run sql`, a process of its own: the rows of the answer, each an array. Throws with its complaint. */
  async sql(query: string): Promise<readonly (readonly unknown[])[]> {
    const args = ['deploy/boot.ts', 'deploy/sql.ts', '-', '--format', 'JSONCompactEachRow']
    const child = Bun.spawn([process.execPath, ...args], {
      cwd: ROOT,
      env: { DATA_DIR: this.#options.dataDir },
      stdin: new Blob([query]),
      stdout: 'pipe',
      stderr: 'pipe',
    })
    const [out, err, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ])
    if (code !== 0) throw new Error(`bun run sql: ${err.trim()}\n${query}`)
    return out.split('\n').flatMap((line) => {
      const row = line === '' ? null : parseJson(line)
      return Array.isArray(row) ? [row] : []
    })
  }

  /** The last lines that the server printed. */
  lastWords(lines = 20): string {
    const text = readFileSync(this.#options.logFile, 'utf8')
    return text.trimEnd().split('\n').slice(-lines).join('\n')
  }

  #probe(): string {
    const id = `probe-${this.#options.seed}-${this.#probes++}`
    return JSON.stringify({
      ...{ device_id: id, vehicle_id: id, session_id: id, order_id: id, status: 'started' },
      ...{ timestamp: wireTime(systemClock.nowMs()), current_lat: 37.97, current_lon: 23.73 },
      ...{ start_lat: 37.97, start_lon: 23.73, end_lat: 37.94, end_lon: 23.64 },
    })
  }

  async #post(body: string): Promise<number> {
    try {
      const headers = {
        authorization: `Bearer ${this.key}`,
        'content-type': 'application/x-ndjson',
        connection: 'close',
      }
      const signal = AbortSignal.timeout(PROBE_MS_MAX)
      const response = await fetch(`${this.url}/ingest`, { method: 'POST', headers, body, signal })
      await response.text()
      return response.status
    } catch {
      return 0
    }
  }

  async #get(path: string): Promise<string | null> {
    try {
      const signal = AbortSignal.timeout(PROBE_MS_MAX)
      return await (await fetch(`${this.url}${path}`, { signal })).text()
    } catch {
      return null
    }
  }
}

/** Real time: the moments of the faults are what is tried. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => void systemClock.after(ms, resolve))
}

/** A port that nobody had a moment ago. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      const port = typeof address === 'object' && address ? address.port : 0
      probe.close(() => resolve(port))
    })
  })
}
