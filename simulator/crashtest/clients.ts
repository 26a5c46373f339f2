import { closeSync, existsSync, openSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'

import { asRecord, parseJson } from '../wire.ts'
import { pause } from './server.ts'

const ROOT = dirname(dirname(import.meta.dir))
/** Every fault that the simulator knows, more often than in life. */
const FAULTS = 'drop=0.02,duplicate=0.05,reorder=0.1,late=0.02,cut=0.01'
/** Pings a second of each vehicle. */
export const RATE_HZ = 2

/** What became of the pings of all clients together. */
export type ClientSums = Readonly<{
  generated: number
  acknowledged: number
  refused: number
  dropped: number
  unacknowledged: number
  duplicatesSent: number
  sentAgain: number
  cuts: number
  /** Never sent because a client's memory was full; a copy of one may have been sent all the same. */
  overflowed: number
  addsUp: boolean
}>

/** A simulator to be started. */
export type ClientSpec = Readonly<{
  name: string
  url: string
  vehicles: number
  /** Pings a frame; 1 is the old protocol. */
  frame: number
  sockets: number
}>

type Client = Readonly<{ child: Bun.Subprocess; name: string; json: string; record: string }>

/** Two simulators, each a process of its own: one with the old protocol's frames of 1, one with frames of 25. */
export class Clients {
  readonly #clients: readonly Client[]

  private constructor(clients: readonly Client[]) {
    this.#clients = clients
  }

  static start(
    about: Readonly<{ url: string; key: string; root: string; vehicles: number; seed: number }>,
  ): Clients {
    const { vehicles, url } = about
    const few = Math.max(1, Math.round(vehicles / 4))
    return Clients.of(about, [
      { name: 'frames-of-1', url, vehicles: few, frame: 1, sockets: 16 },
      { name: 'frames-of-25', url, vehicles: Math.max(1, vehicles - few), frame: 25, sockets: 6 },
    ])
  }

  /** Such clients, each with a seed of its own. */
  static of(
    about: Readonly<{ key: string; root: string; seed: number }>,
    specs: readonly ClientSpec[],
  ): Clients {
    const { seed, ...rest } = about
    return new Clients(specs.map((spec, index) => spawn({ ...rest, seed: seed + index }, spec)))
  }

  /** Files with the acknowledged pings, one a line. */
  get records(): readonly string[] {
    return this.#clients.map(({ record }) => record)
  }

  get running(): boolean {
    return this.#clients.every(({ child }) => child.exitCode === null && child.signalCode === null)
  }

  /** Settles when each was told of a ping that it was taken: a client whose first connection fails gives up. */
  async connected(): Promise<void> {
    while (!this.records.every((file) => existsSync(file) && statSync(file).size > 0)) {
      if (!this.running) throw new Error('a client did not connect; see its log')
      await pause(20)
    }
  }

  /** Lets them send what was not acknowledged, once more, and end. */
  async finish(): Promise<ClientSums> {
    for (const { child } of this.#clients) child.kill('SIGINT')
    const codes = await Promise.all(this.#clients.map(({ child }) => child.exited))
    return this.#clients
      .map(({ name, json }, index) => sumsOf(name, json, codes[index] ?? 1))
      .reduce(added)
  }

  /** Ends them at once. */
  async kill(): Promise<void> {
    for (const { child } of this.#clients) child.kill('SIGKILL')
    await Promise.all(this.#clients.map(({ child }) => child.exited))
  }
}

function spawn(
  { key, root, seed }: Readonly<{ key: string; root: string; seed: number }>,
  { name, url, vehicles, frame, sockets }: ClientSpec,
): Client {
  const json = join(root, `${name}.json`)
  const record = join(root, `${name}.acknowledged.ndjson`)
  const log = openSync(join(root, `${name}.log`), 'a')
  const to = ['--url', `${url.replace('http', 'ws')}/ws`, '--key', key, '--rate', `${RATE_HZ}`]
  const who = ['--vehicles', `${vehicles}`, '--frame', `${frame}`, '--sockets', `${sockets}`]
  const moves = ['--speed', '60', '--seed', `${seed}`, '--run', `crashtest-${seed}-${name}`]
  const files = ['--faults', FAULTS, '--json', json, '--record', record]
  const child = Bun.spawn(
    [process.execPath, 'simulator/main.ts', ...to, ...who, ...moves, ...files],
    { cwd: ROOT, env: {}, stdio: ['ignore', log, log] },
  )
  closeSync(log)
  return { child, name, json, record }
}

function sumsOf(name: string, file: string, code: number): ClientSums {
  let text = ''
  try {
    text = readFileSync(file, 'utf8')
  } catch {
    throw new Error(
      `the client "${name}" ended with code ${code} and left no sums; see ${name}.log`,
    )
  }
  const sums = asRecord(parseJson(text)) ?? {}
  const count = (key: string): number => Number(sums[key] ?? Number.NaN)
  return {
    generated: count('generated'),
    acknowledged: count('acknowledged'),
    refused: count('refused'),
    dropped: count('dropped'),
    unacknowledged: count('unacknowledged'),
    duplicatesSent: count('duplicatesSent'),
    sentAgain: count('sentAgain'),
    cuts: count('cuts'),
    overflowed: count('overflowed'),
    addsUp: sums['addsUp'] === true,
  }
}

function added(a: ClientSums, b: ClientSums): ClientSums {
  return {
    generated: a.generated + b.generated,
    acknowledged: a.acknowledged + b.acknowledged,
    refused: a.refused + b.refused,
    dropped: a.dropped + b.dropped,
    unacknowledged: a.unacknowledged + b.unacknowledged,
    duplicatesSent: a.duplicatesSent + b.duplicatesSent,
    sentAgain: a.sentAgain + b.sentAgain,
    cuts: a.cuts + b.cuts,
    overflowed: a.overflowed + b.overflowed,
    addsUp: a.addsUp && b.addsUp,
  }
}
