import { parseArgs } from 'node:util'

import { SCALED_MUTATIONS } from './mutations-scaled.ts'
import { MUTATIONS } from './mutations.ts'
import { runScaledSeed } from './scaled-world.ts'
import { type RunReport, runSeed } from './world.ts'

const USAGE = `Runs the whole process, or gateways and workers over shared stores, in virtual time, with faults drawn from a
seed, and compares the stores with what clients were told.

  bun run sim --seed 42             one seed, with all that befell it
  bun run sim --seed 1 --count 1000
    --profile P     embedded: one process (default); scaled: gateways, workers, a broker and its group
    --minutes N     virtual minutes in which things go wrong (1)
    --mutations     plants each known fault in turn, and says how many seeds it took to find it
    --json FILE     what was found and how often each fault struck, as JSON`

/** Lines of a failed run that are shown; the last ones say most. */
const LINES_MAX = 60
const MUTATION_SEEDS_MAX = 1_000

type Run = typeof runSeed | typeof runScaledSeed
/** A planted fault with a run of it. */
type Planted = Readonly<{ name: string; run: (seed: number) => Promise<RunReport> }>

/** What there is to simulate. */
const PROFILES: Readonly<Record<string, Readonly<{ run: Run; planted: readonly Planted[] }>>> = {
  embedded: {
    run: runSeed,
    planted: MUTATIONS.map(({ name, plant }) => ({
      name,
      run: (seed) => runSeed({ seed, seams: plant }),
    })),
  },
  scaled: {
    run: runScaledSeed,
    planted: SCALED_MUTATIONS.map(({ name, plant }) => ({
      name,
      run: (seed) => runScaledSeed({ seed, seams: plant }),
    })),
  },
}

type Options = Readonly<{
  profile: string
  seed: number
  count: number
  minutes: number
  mutations: boolean
  json: string | null
}>

/** The command line, or what is wrong with it. */
function readOptions(): Options | string {
  try {
    const { values } = parseArgs({
      options: {
        seed: { type: 'string', default: '1' },
        count: { type: 'string', default: '1' },
        profile: { type: 'string', default: 'embedded' },
        minutes: { type: 'string', default: '1' },
        mutations: { type: 'boolean', default: false },
        json: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    })
    if (values.help) return USAGE
    const [seed, count] = [Number(values.seed), Number(values.count)]
    const minutes = Number(values.minutes)
    if (!Number.isSafeInteger(seed) || seed < 0) return '--seed: write a whole number'
    if (!Number.isSafeInteger(count) || count < 1) return '--count: write a whole number from 1 on'
    if (!(minutes > 0 && minutes <= 1_000)) return '--minutes: write a number up to 1000'
    const { profile } = values
    if (!(profile in PROFILES)) return '--profile: write embedded or scaled'
    return { profile, seed, count, minutes, mutations: values.mutations, json: values.json ?? null }
  } catch (thrown) {
    return `${thrown instanceof Error ? thrown.message : String(thrown)}\n\n${USAGE}`
  }
}

function show(report: RunReport, { minutes, profile }: Options): void {
  const { seed, violation, chronicle } = report
  const omitted = Math.max(0, chronicle.length - LINES_MAX)
  if (omitted > 0) console.log(`  (${omitted} earlier lines)`)
  for (const line of chronicle.slice(omitted)) console.log(line)
  const which = profile === 'embedded' ? '' : `--profile ${profile} `
  const again = `bun run sim ${which}--seed ${seed}${minutes === 1 ? '' : ` --minutes ${minutes}`}`
  console.log(violation === null ? `seed ${seed}: all holds` : `seed ${seed} FAILED: ${violation}`)
  if (violation !== null) console.log(`again: ${again}`)
}

/** What runs have in common. */
class Summary {
  readonly failed: RunReport[] = []
  readonly faults = new Map<string, number>()
  seeds = 0
  acknowledged = 0
  lives = 0
  virtualMs = 0

  add(report: RunReport): void {
    this.seeds++
    this.acknowledged += report.acknowledged
    this.lives += report.lives
    this.virtualMs += report.virtualMs
    if (report.violation !== null) this.failed.push(report)
    for (const [fault, times] of report.counts) {
      this.faults.set(fault, (this.faults.get(fault) ?? 0) + times)
    }
  }

  json(tookMs: number): string {
    const { seeds, acknowledged, lives, virtualMs, failed } = this
    const faults = Object.fromEntries([...this.faults].sort())
    const violations = failed.map(({ seed, violation }) => ({ seed, violation }))
    const all = { seeds, failed: failed.length, acknowledged, lives, virtualMs, tookMs }
    return JSON.stringify({ ...all, violations, faults }, null, 2)
  }
}

/** How many seeds each planted fault takes; what none of 1,000 finds is a failure. */
async function findMutations(planted: readonly Planted[]): Promise<void> {
  // Planted faults may reject where nobody catches: that is one way to be found.
  let rejected: string | null = null
  process.on('unhandledRejection', (thrown) => {
    rejected = thrown instanceof Error ? thrown.message : String(thrown)
  })
  for (const { name, run } of planted) {
    let found: string | null = null
    let seed = 0
    while (found === null && seed < MUTATION_SEEDS_MAX) {
      rejected = null
      const { violation } = await run(++seed)
      await new Promise((resolve) => setImmediate(resolve))
      found = violation ?? rejected
    }
    console.log(
      found === null ? `NOT FOUND  ${name}` : `${String(seed).padStart(4)} seeds  ${name}`,
    )
    if (found === null) process.exitCode = 1
  }
}

async function main(): Promise<void> {
  const options = readOptions()
  if (typeof options === 'string') {
    console.log(options)
    process.exitCode = options === USAGE ? 0 : 2
    return
  }
  const { run, planted } = PROFILES[options.profile] ?? { run: runSeed, planted: [] }
  if (options.mutations) return findMutations(planted)
  const { seed: first, count, minutes, json } = options
  const summary = new Summary()
  const startedMs = performance.now()
  for (let seed = first; seed < first + count; seed++) {
    const report = await run({ seed, minutes })
    summary.add(report)
    if (report.violation !== null || count === 1) show(report, options)
    // A rejection that nobody catches ends the process here, at the seed that made it.
    await new Promise((resolve) => setImmediate(resolve))
  }
  const tookMs = Math.round(performance.now() - startedMs)
  const { failed, acknowledged, lives, virtualMs } = summary
  const hours = (virtualMs / 3_600_000).toFixed(1)
  console.log(
    `${count} seeds, ${failed.length} failed: ${acknowledged} pings acknowledged in ${lives} lives ` +
      `of the process and ${hours} virtual hours; ${(tookMs / 1_000).toFixed(1)} s`,
  )
  if (json !== null) await Bun.write(json, `${summary.json(tookMs)}\n`)
  if (failed.length > 0) process.exitCode = 1
}

await main()
