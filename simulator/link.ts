import type { Clock, Random } from '../actors/kernel/clock.ts'
import { OrreryError } from '../actors/kernel/errors.ts'
import type { FaultLine } from './faults.ts'
import { countOriginals, type Frame, Outbox, type OutboxLimits } from './outbox.ts'
import type { Tally } from './tally.ts'
import { asRecord, authenticationFrame, parseJson, readReply, type Reply } from './wire.ts'

/** What a link needs of the world around it. */
export type LinkSurroundings = Readonly<{
  url: string
  /** Asked for before each connection, told `true` when the last key was refused. */
  key: (refused: boolean) => Promise<string>
  clock: Clock
  random: Random
  tally: Tally
  faults: FaultLine
  /** Called with the lines of a frame that was acknowledged, refused ones and copies left out. */
  onAcknowledged: (lines: readonly string[]) => void
}>

const BACK_OFF_FIRST_MS = 100
const BACK_OFF_MAX_MS = 1_000
/** A connection that says nothing for this long, with frames in flight, counts as dead. */
const SILENCE_MS_MAX = 30_000

/**
 * One connection to a server, kept up: it authenticates, writes frames as the outbox allows, settles
 * them by the replies in order, and after a cut connects again and sends what had no answer.
 */
export class Link {
  readonly outbox: Outbox
  readonly #around: LinkSurroundings
  #socket: WebSocket | null = null
  #ready = false
  #ended = false
  #everReady = false
  #keyRefused = false
  #failures = 0
  #pausedUntilMs = 0
  #wakePump: (() => void) | null = null
  #cancelRetry: (() => void) | null = null
  #settledMs = 0
  #closeReason = ''
  #first = Promise.withResolvers<void>()

  constructor(around: LinkSurroundings, limits: OutboxLimits) {
    this.#around = around
    this.outbox = new Outbox(limits)
  }

  get ready(): boolean {
    return this.#ready
  }

  /** Connects; settles with the first connection: ready, or the error that a person has to see. */
  start(): Promise<void> {
    void this.#connect()
    return this.#first.promise
  }

  /** Writes what may be written. Cheap when there is nothing to do. */
  pump(): void {
    const { clock } = this.#around
    const nowMs = clock.monotonicMs()
    if (this.outbox.framesInFlight > 0 && nowMs - this.#settledMs > SILENCE_MS_MAX) this.#cut()
    while (this.#socket && this.#ready && nowMs >= this.#pausedUntilMs) {
      if (this.outbox.framesInFlight === 0) this.#settledMs = nowMs
      const frame = this.outbox.take(nowMs)
      if (!frame) return
      this.#write(this.#socket, frame)
    }
  }

  /** Ends the connection; what the outbox still holds stays unacknowledged. */
  end(): void {
    this.#ended = true
    this.#cancelRetry?.()
    this.#wakePump?.()
    this.#socket?.close(1000)
    this.#first.reject(new OrreryError('ended', 'ended before the first connection'))
    this.#first.promise.catch(() => {})
  }

  #write(socket: WebSocket, frame: Frame): void {
    const { tally, faults } = this.#around
    const originals = countOriginals(frame.lines)
    if (frame.sentBefore) tally.sentAgain += frame.lines.length
    else tally.duplicatesSent += frame.lines.length - originals
    socket.send(frame.body)
    if (!frame.sentBefore && faults.cuts()) {
      tally.cuts++
      this.#cut()
    }
  }

  /** Drops the connection as a dead line does: nothing is said, nothing that waits is sent. */
  #cut(): void {
    this.#ready = false
    const socket = this.#socket
    // Bun's own method, which the browser's type that the project also loads does not have.
    if (socket && 'terminate' in socket && typeof socket.terminate === 'function')
      socket.terminate()
  }

  async #connect(): Promise<void> {
    this.#cancelRetry = null
    try {
      const key = await this.#around.key(this.#keyRefused)
      if (this.#ended) return
      this.#open(key)
    } catch (cause) {
      if (!this.#everReady) this.#first.reject(cause)
      this.#retryLater()
    }
  }

  #open(key: string): void {
    const socket = new WebSocket(this.#around.url)
    let failure = ''
    this.#closeReason = ''
    this.#socket = socket
    socket.addEventListener('open', () => socket.send(authenticationFrame(key)))
    socket.addEventListener('message', (event) => this.#receive(String(event.data)))
    socket.addEventListener('error', (event) => {
      const message = 'message' in event ? String(event.message) : ''
      const code = 'error' in event ? asRecord(event.error)?.code : undefined
      failure = `${message} ${code ?? ''}`.trim()
    })
    socket.addEventListener('close', (event) => {
      if (this.#socket === socket) this.#lost(failure || this.#closeReason || event.reason)
    })
  }

  #receive(text: string): void {
    if (!this.#ready) {
      const answer = asRecord(parseJson(text))
      if (answer?.status === 'authenticated') this.#becomeReady()
      else {
        this.#keyRefused = true
        this.#closeReason = String(answer?.message ?? text.slice(0, 200))
        this.#socket?.close(1000)
      }
      return
    }
    const frame = this.outbox.oldest
    if (!frame) {
      this.#around.tally.strayReplies++
      return
    }
    this.#apply(frame, readReply(text, frame.lines.length))
    this.pump()
  }

  #becomeReady(): void {
    if (this.#everReady) this.#around.tally.reconnects++
    this.#ready = true
    this.#everReady = true
    this.#keyRefused = false
    this.#failures = 0
    this.#first.resolve()
    this.pump()
  }

  #apply(frame: Frame, reply: Reply): void {
    const { clock, tally } = this.#around
    const nowMs = clock.monotonicMs()
    this.#settledMs = nowMs
    switch (reply.kind) {
      case 'busy':
        tally.busy++
        this.outbox.sendAgain()
        this.#pause(nowMs, reply.retryAfterMs)
        return
      case 'broken':
        // Nothing says what became of the frame: only a new connection brings replies back in step.
        tally.strayReplies++
        this.#cut()
        return
      case 'settled':
        this.outbox.settle()
        this.#count(frame, reply)
        tally.ackMs.observe(nowMs - frame.writtenMs, frame.lines.length)
    }
  }

  #count(frame: Frame, reply: Extract<Reply, { kind: 'settled' }>): void {
    const { tally, onAcknowledged } = this.#around
    const reasons = new Map(reply.refused.map((one) => [one.index, one]))
    const accepted: string[] = []
    let unnamed = reply.refusedCount - reasons.size
    for (const [index, line] of frame.lines.entries()) {
      if (line.copy) continue
      const reason = reasons.get(index)
      if (reason) tally.refuse(`${reason.code} ${reason.message}`.replace(/\s+/g, ' ').trim())
      else accepted.push(line.text)
    }
    // A server may list the first refusals only and count the rest: then some of these were refused too.
    for (; unnamed > 0 && accepted.length > 0; unnamed--) {
      accepted.pop()
      tally.refuse('not listed by the server')
    }
    tally.acknowledged += accepted.length
    if (accepted.length > 0) onAcknowledged(accepted)
  }

  #pause(nowMs: number, forMs: number): void {
    this.#pausedUntilMs = nowMs + forMs
    this.#wakePump?.()
    this.#wakePump = this.#around.clock.after(forMs, () => this.pump())
  }

  #lost(why: string): void {
    this.#socket = null
    this.#ready = false
    this.outbox.rewind()
    if (this.#ended) return
    if (!this.#everReady) this.#first.reject(explain(this.#around.url, why, this.#keyRefused))
    this.#retryLater()
  }

  #retryLater(): void {
    if (this.#ended) return
    const capMs = Math.min(BACK_OFF_MAX_MS, BACK_OFF_FIRST_MS * 2 ** Math.min(this.#failures++, 10))
    const delayMs = capMs * (0.5 + this.#around.random() / 2)
    this.#cancelRetry = this.#around.clock.after(delayMs, () => void this.#connect())
  }
}

/** Why the first connection failed, in words that say what to do. */
function explain(url: string, why: string, keyRefused: boolean): OrreryError {
  if (keyRefused)
    return new OrreryError(
      'key_refused',
      `the key was refused by ${url}: ${why || 'no reason given'}`,
    )
  if (why.includes('ECONNREFUSED'))
    return new OrreryError(
      'connection_refused',
      `nothing listens at ${url}: start the server first (bun run start), or correct --url`,
    )
  if (why.includes('ENOTFOUND'))
    return new OrreryError('host_unknown', `the host of ${url} is not known`)
  const status = /Expected 101 status code: (\d+)/.exec(why)?.[1]
  if (status === '404')
    return new OrreryError('no_socket', `${url} is no WebSocket address; the path is /ws`)
  if (status)
    return new OrreryError('handshake_refused', `${url} refused the connection with HTTP ${status}`)
  return new OrreryError(
    'connection_failed',
    `cannot connect to ${url}: ${why || 'closed at once'}`,
  )
}
