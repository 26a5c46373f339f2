import { authenticationFrame, readReply } from '../simulator/wire.ts'
import { clientFrame, FrameSet } from './frames.ts'
import { RawSocket } from './raw-socket.ts'

/** What a flood is told, as JSON in its first argument. */
export type FloodOptions = Readonly<{
  hostname: string
  port: number
  key: string
  vehicles: number
  framePings: number
  sockets: number
  /** Pings a second that it tries to send, whatever the server answers. */
  rate: number
  seconds: number
  run: string
}>

/** What it says once a second, and as its last line with `over` set. */
export type FloodReport = Readonly<{
  over: boolean
  /** Pings that were due to be sent. */
  offered: number
  /** Pings that the server's side of the line took. */
  sent: number
  acknowledged: number
  /** Pings that were answered busy, and given up by this sender. */
  busy: number
  refused: number
  unanswered: number
  lostSockets: number
  whyLost: string
}>

const ANSWERS_MS_MAX = 60_000

/** One of a flood's lines: it sends whenever it can, and only counts what comes back. */
class FloodLine {
  readonly socket: RawSocket
  unanswered = 0
  lost = ''
  #authenticated: PromiseWithResolvers<void> | null = Promise.withResolvers<void>()

  constructor(onReply: (text: string) => void) {
    this.socket = new RawSocket({
      onReply: (text) => {
        if (!this.#authenticated) {
          this.unanswered--
          onReply(text)
        } else if (text.includes('"authenticated"')) this.#authenticated.resolve()
        else this.#authenticated.reject(new Error(`the key was refused: ${text}`))
      },
      onClose: (why) => {
        this.lost ||= why
      },
    })
  }

  async open({ hostname, port, key }: FloodOptions): Promise<void> {
    await this.socket.open(hostname, port)
    this.socket.write(clientFrame(1, Buffer.from(authenticationFrame(key))))
    await this.#authenticated?.promise
    this.#authenticated = null
  }
}

/** Senders that honour nothing: no answer is waited for, no "busy" slows them, no frame comes again. */
class Flood {
  readonly #options: FloodOptions
  readonly #frames: FrameSet
  readonly #lines: FloodLine[] = []
  #nextFrame = 0
  #nextLine = 0
  #offered = 0
  #sent = 0
  #acknowledged = 0
  #busy = 0
  #refused = 0

  constructor(options: FloodOptions) {
    this.#options = options
    // Deliveries that do not end: memory must show the overload, and not that more sessions were seen.
    this.#frames = new FrameSet({ ...options, sessionPings: 60_000 })
  }

  async run(report: (report: FloodReport) => void): Promise<void> {
    for (let index = 0; index < this.#options.sockets; index++) {
      const line = new FloodLine((text) => this.#onReply(text))
      await line.open(this.#options)
      this.#lines.push(line)
    }
    const startedMs = performance.now()
    const pulse = setInterval(() => this.#pump((performance.now() - startedMs) / 1_000), 2)
    const reports = setInterval(() => report(this.#report(false)), 1_000)
    await Bun.sleep(this.#options.seconds * 1_000)
    clearInterval(pulse)
    const endMs = performance.now() + ANSWERS_MS_MAX
    while (this.#unanswered > 0 && performance.now() < endMs) await Bun.sleep(20)
    clearInterval(reports)
    report(this.#report(true))
  }

  /** Offers what is due; a line that takes no more is passed by, and what was meant for it is not sent. */
  #pump(elapsedS: number): void {
    const { framePings } = this.#frames
    const due = Math.floor((elapsedS * this.#options.rate) / framePings) - this.#offered
    const wallMs = Date.now()
    for (let frame = 0; frame < due; frame++) {
      this.#offered++
      const line = this.#lines[this.#nextLine++ % this.#lines.length]
      if (!line || line.lost !== '' || line.socket.isFull) continue
      line.socket.write(this.#frames.next(this.#nextFrame++ % this.#frames.count, wallMs))
      line.unanswered++
      this.#sent++
    }
  }

  #onReply(text: string): void {
    const { framePings } = this.#frames
    const reply = readReply(text, framePings)
    if (reply.kind === 'busy') this.#busy++
    else if (reply.kind === 'settled') {
      this.#acknowledged += framePings - reply.refusedCount
      this.#refused += reply.refusedCount
    }
  }

  get #unanswered(): number {
    return this.#lines.reduce((sum, line) => sum + (line.lost === '' ? line.unanswered : 0), 0)
  }

  #report(over: boolean): FloodReport {
    const { framePings } = this.#frames
    const lost = this.#lines.filter((line) => line.lost !== '')
    const unanswered = this.#lines.reduce((sum, line) => sum + line.unanswered, 0)
    return {
      over,
      offered: this.#offered * framePings,
      sent: this.#sent * framePings,
      acknowledged: this.#acknowledged,
      busy: this.#busy * framePings,
      refused: this.#refused,
      unanswered: unanswered * framePings,
      lostSockets: lost.length,
      whyLost: lost[0]?.lost ?? '',
    }
  }
}

if (import.meta.main) {
  const options: FloodOptions = JSON.parse(process.argv[2] ?? '{}')
  await new Flood(options).run((report) => process.stdout.write(`${JSON.stringify(report)}\n`))
  process.exit(0)
}
