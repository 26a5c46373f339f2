import { messageOf } from '../actors/kernel/errors.ts'
import type { Log } from '../actors/kernel/telemetry.ts'
import type { Wire } from '../gateway/conversation.ts'
import type { Server } from './world-client.ts'
import { Door } from './world-door.ts'
import { type Mortal, never } from './world-gate.ts'
import { type Life, type LifeOptions, openLife } from './world-life.ts'
import type { Peer } from './world-link.ts'

export type ProcessOptions = LifeOptions &
  Readonly<{
    /** The process ends by a fault that nobody catches. */
    onFault: (message: string) => void
  }>

/** The process as the world sees it: it opens, listens, and stops in order or dies. */
export class SimProcess implements Server {
  readonly mortal: Mortal
  readonly #options: ProcessOptions
  #door: Door | null = null
  #stopping = false
  life: Life | null = null

  constructor(options: ProcessOptions) {
    this.#options = options
    this.mortal = options.mortal
  }

  get listening(): boolean {
    return this.#door !== null && !this.#stopping && !this.mortal.dead
  }

  /** Told to stop, and not gone yet. */
  get stopping(): boolean {
    return this.#stopping
  }

  /** Opens the stores and begins to listen; why it could not, or null. */
  async start(): Promise<string | null> {
    try {
      this.life = await openLife(this.#options)
    } catch (thrown) {
      if (this.mortal.dead) return never()
      return messageOf(thrown)
    }
    if (this.mortal.dead) return never()
    this.life.replayed.catch((thrown: unknown) => {
      if (!this.mortal.dead) this.#options.onFault(messageOf(thrown))
    })
    const ingest = this.#options.seams.ingest(this.life.intake)
    const { telemetry } = this.life
    this.#door = new Door(this.mortal, { ingest, telemetry })
    return null
  }

  accept(wire: Wire, keyed: boolean): Peer {
    if (!this.#door) throw new Error('nobody listens')
    return this.#door.accept(wire, keyed)
  }

  post(text: string, answer: (reply: string) => void): void {
    this.#door?.post(text, answer)
  }

  /** As a stop does it: nothing new, everything journaled handled, everything handled stored, states last. */
  async stop(deadlineMs: number): Promise<readonly string[]> {
    const { life } = this
    this.#stopping = true
    this.#door?.stop()
    if (!life) return ['start']
    const { intake, replay, replayed, sweep, journal, partition, sinks, upkeep } = life
    const { clock } = this.mortal
    const endMs = clock.monotonicMs() + deadlineMs
    const unflushed: string[] = []
    const step = async (name: string, work: () => Promise<unknown>): Promise<void> => {
      const leftMs = Math.max(0, endMs - clock.monotonicMs())
      const done = await within(this.mortal, work(), leftMs)
      if (!done) unflushed.push(name)
    }
    intake.stop()
    const isBehind = replay.stop()
    await step('replay', () => replayed)
    await step('journal', () => journal.close())
    await step('actors', () => partition.idle())
    await step('sweep', () => sweep.stop())
    const all = [sinks.bronze, sinks.silver, sinks.metrics] as const
    await Promise.all(all.map((sink) => step(sink.name, () => sink.flush())))
    if (unflushed.length === 0) await step('checkpoint', () => upkeep.finish())
    else upkeep.halt()
    partition.halt()
    await Promise.all(all.map((sink) => sink.close(0)))
    return isBehind ? [...unflushed, 'replay'] : unflushed
  }
}

/** Whether the work was done in time. */
async function within(mortal: Mortal, work: Promise<unknown>, ms: number): Promise<boolean> {
  const late = new Promise<boolean>((resolve) => {
    mortal.clock.after(ms, () => resolve(false))
  })
  const done = work.then(
    () => true,
    () => false,
  )
  return Promise.race([done, late])
}

/** A log that keeps what a person would be called for. */
export function troubleLog(onTrouble: (message: string) => void): Log {
  const quiet = (): void => {}
  return {
    debug: quiet,
    info: quiet,
    warn: quiet,
    error: (fields, message) => onTrouble(`${message} ${JSON.stringify(fields)}`),
  }
}
