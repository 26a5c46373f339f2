import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'

import { type Clock, systemClock } from '../kernel/clock.ts'
import { OrreryError } from '../kernel/errors.ts'

const TRY_EVERY_MS = 50
const READY_MS_MAX = 60_000
const STOP_MS_MAX = 20_000
const ANSWER_MS_MAX = 2_000
const LOG_LINES = 15

/** Ends a child of a test that was killed, where Linux's own tool can ask for it. */
const DIE_WITH_US = existsSync('/usr/bin/setpriv')
  ? ['/usr/bin/setpriv', '--pdeathsig', 'KILL', '--']
  : []

/** How a server is started, and how it is known to serve. */
export type ServerPlan = Readonly<{
  /** What it is, for messages. */
  service: string
  command: readonly string[]
  env: Readonly<Record<string, string>>
  cwd: string
  logFile: string
  host: string
  port: number
  /** Whether it answers by now; asked again until it does. */
  ready: () => Promise<boolean>
  /** Runs before the first start; the file says that it ended well. */
  prepare?: Readonly<{ command: readonly string[]; file: string }>
}>

export type StartOptions = Readonly<{
  /** Lets it outlive this process. */
  detached?: boolean
  /** Told before it serves, so that it can be ended whatever comes. */
  onSpawn?: (pid: number) => void
}>

/** A server of somebody else's as a child process: ended, frozen and started again over the same data and port. */
export class ServerProcess {
  readonly plan: ServerPlan
  readonly #clock: Clock
  #child: ChildProcess | null = null
  #ended: Promise<void> = Promise.resolve()

  constructor(plan: ServerPlan, clock: Clock = systemClock) {
    this.plan = plan
    this.#clock = clock
  }

  get pid(): number | null {
    return this.#child?.pid ?? null
  }

  get running(): boolean {
    const child = this.#child
    return child !== null && child.exitCode === null && child.signalCode === null
  }

  /** Settles when the process has ended, whoever ended it. */
  get ended(): Promise<void> {
    return this.#ended
  }

  /** Starts it and waits until it serves. */
  async start(options: StartOptions = {}): Promise<void> {
    const { service, command, prepare, host, port } = this.plan
    if (this.running) throw new OrreryError('service_running', `${service} runs already`)
    // Otherwise whoever has it would be taken for ours.
    if (await accepts(host, port)) {
      throw new OrreryError('port_taken', `${service} cannot have port ${port}: it is taken`)
    }
    if (prepare && !existsSync(prepare.file)) {
      const child = this.#spawn(prepare.command, false)
      await this.#ended
      if (child.exitCode !== 0) throw this.#failed('cannot be prepared')
      writeFileSync(prepare.file, '')
    }
    const child = this.#spawn(command, options.detached ?? false)
    if (child.pid !== undefined) options.onSpawn?.(child.pid)
    await this.#becomesReady()
  }

  /** Ends it at once, as a crash does. */
  async kill(): Promise<void> {
    this.#child?.kill('SIGKILL')
    await this.#ended
  }

  /** Freezes it: connections stay open and nothing answers. */
  pause(): void {
    this.#child?.kill('SIGSTOP')
  }

  resume(): void {
    this.#child?.kill('SIGCONT')
  }

  /** Ends it in peace; one that takes too long is killed. */
  async stop(): Promise<void> {
    this.#child?.kill('SIGTERM')
    // A frozen process would hear of it only later.
    this.resume()
    const cancel = this.#clock.after(STOP_MS_MAX, () => this.#child?.kill('SIGKILL'))
    await this.#ended
    cancel()
  }

  /** Starts it again, over the same data and port, after it was killed or stopped. */
  async restart(): Promise<void> {
    await this.stop()
    await this.start()
  }

  /** The last lines that it wrote. */
  lastWords(): string {
    if (!existsSync(this.plan.logFile)) return ''
    const lines = readFileSync(this.plan.logFile, 'utf8').trimEnd().split('\n')
    return lines.slice(-LOG_LINES).join('\n')
  }

  #spawn(command: readonly string[], detached: boolean): ChildProcess {
    const { env, cwd, logFile } = this.plan
    const [program = '', ...args] = detached ? command : [...DIE_WITH_US, ...command]
    const log = openSync(logFile, 'a', 0o600)
    const child = spawn(program, args, { cwd, env, detached, stdio: ['ignore', log, log] })
    closeSync(log)
    const ended = Promise.withResolvers<void>()
    const endWithUs = (): void => void child.kill('SIGKILL')
    if (detached) child.unref()
    else process.once('exit', endWithUs)
    const end = (): void => {
      process.off('exit', endWithUs)
      ended.resolve()
    }
    child.once('exit', end)
    child.once('error', end)
    this.#child = child
    this.#ended = ended.promise
    return child
  }

  async #becomesReady(): Promise<void> {
    const { ready, logFile } = this.plan
    const endMs = this.#clock.monotonicMs() + READY_MS_MAX
    while (this.running && !(await ready())) {
      if (this.#clock.monotonicMs() > endMs) {
        await this.kill()
        throw this.#failed(`does not answer after ${READY_MS_MAX / 1_000} s`)
      }
      await passes(this.#clock, TRY_EVERY_MS)
    }
    // Another server on the port may have answered in place of one that could not have it.
    if (!this.running) throw this.#failed(`ended at its start; see ${logFile}`)
  }

  #failed(what: string): OrreryError {
    const { service } = this.plan
    return new OrreryError('service_failed', `${service} ${what}\n${this.lastWords()}`)
  }
}

/** Whether somebody accepts connections there. */
export function accepts(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port })
    const answer = (yes: boolean): void => {
      socket.destroy()
      resolve(yes)
    }
    socket.once('connect', () => answer(true))
    socket.once('error', () => answer(false))
  })
}

/** Whether what is sent there is answered with that text, in one go. */
export function answers(host: string, port: number, sent: string, text: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port }, () => socket.write(sent))
    let heard = ''
    const settle = (): void => {
      socket.destroy()
      resolve(heard.includes(text))
    }
    socket.setTimeout(ANSWER_MS_MAX, settle)
    socket.once('error', settle)
    socket.once('close', settle)
    socket.on('data', (bytes) => {
      heard += bytes.toString('latin1')
      if (heard.includes(text)) settle()
      // An error ends what was asked.
      if (heard.includes('\n-') || heard.startsWith('-')) settle()
    })
  })
}

/** The status of an HTTP answer, 0 for none. */
export async function statusOf(url: string): Promise<number> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS_MAX) })
    await response.arrayBuffer()
    return response.status
  } catch {
    return 0
  }
}

/** A port that nobody had a moment ago. */
export function freePort(): Promise<number> {
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

function passes(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => void clock.after(ms, resolve))
}
