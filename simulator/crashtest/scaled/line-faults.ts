import type { Random } from '../../../actors/kernel/clock.ts'
import type { Line } from '../../chaos/proxy.ts'
import { pause } from '../server.ts'
import type { LineFault, ScaledBooks } from './books.ts'
import type { ChaosLine } from './servers.ts'

export type LineFaultsOptions = Readonly<{
  lines: readonly ChaosLine[]
  books: ScaledBooks
  random: Random
  say: (text: string) => void
}>

const LINES: Readonly<Partial<Record<LineFault, Line>>> = {
  'line silent': 'silent',
  'line without answers': 'no answers',
  'line without requests': 'no requests',
}

/** What is done to the lines between parts. */
export class LineFaults {
  readonly #options: LineFaultsOptions

  constructor(options: LineFaultsOptions) {
    this.#options = options
  }

  /** Does it to one line that is in use, or to all those between two kinds of parts; the result ends it. */
  async begin(fault: LineFault): Promise<() => Promise<void>> {
    const { books, random, say } = this.#options
    const { name, lines } = this.#pick()
    books.noteLine(name)
    const each = (call: (line: ChaosLine) => void): void => lines.forEach(call)
    if (fault === 'connections cut') {
      // Half of the time it stays cut for a while.
      const ms = random() < 0.5 ? 0 : 500 + random() * 8_000
      say(`${name} cut${ms === 0 ? '' : `, for ${(ms / 1_000).toFixed(1)} s`}`)
      if (ms > 0) each(({ proxy }) => proxy.set('refused'))
      each(({ proxy }) => proxy.cut())
      return async () => {
        await pause(ms)
        each(({ proxy }) => proxy.set('open'))
      }
    }
    const ms = 1_000 + random() * 24_000
    if (fault === 'line slow') {
      const delayMs = Math.round(30 + random() * 470)
      say(`${name} slower by ${delayMs} ms each way, for ${(ms / 1_000).toFixed(1)} s`)
      each(({ proxy }) => proxy.slow(delayMs))
      return async () => {
        await pause(ms)
        each(({ proxy }) => proxy.slow(0))
      }
    }
    const line = LINES[fault] ?? 'silent'
    const isCut = random() < 0.4
    say(`${name} ${line} for ${(ms / 1_000).toFixed(1)} s, then ${isCut ? 'cut' : 'open again'}`)
    each(({ proxy }) => proxy.set(line))
    return async () => {
      await pause(ms)
      // What was held back comes now, late; or never.
      if (isCut) each(({ proxy }) => proxy.cut())
      each(({ proxy }) => proxy.set('open'))
    }
  }

  #pick(): Readonly<{ name: string; lines: readonly ChaosLine[] }> {
    const { random } = this.#options
    const used = this.#options.lines.filter(({ proxy }) => proxy.connections > 0)
    // By kind first: there are more workers than anything else.
    const kinds = Map.groupBy(used, ({ from, to }) => `${kindOf(from)} → ${kindOf(to)}`)
    const names = [...kinds.keys()].sort()
    const name = names[Math.floor(random() * names.length)]
    const lines = name === undefined ? [] : (kinds.get(name) ?? [])
    if (name !== undefined && random() < 0.25) return { name: `all ${name}`, lines }
    const one = lines[Math.floor(random() * lines.length)]
    if (!one) throw new Error('no line is in use')
    return { name: `${one.from} → ${one.to}`, lines: [one] }
  }
}

/** `worker` for `worker-2`. */
function kindOf(name: string): string {
  return name.replace(/-\d+$/, '')
}
