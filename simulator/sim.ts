import { parseArgs } from 'node:util'

import { type RunReport, runSeed } from './world.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    count: { type: 'string', default: '1' },
    minutes: { type: 'string', default: '1' },
    json: { type: 'string' },
    verbose: { type: 'boolean', default: false },
  },
})

const first = Number(values.seed)
const count = Number(values.count)
const minutes = Number(values.minutes)
const startedMs = performance.now()
const failed: RunReport[] = []
let pings = 0
let lives = 0
for (let seed = first; seed < first + count; seed++) {
  const report = await runSeed({ seed, minutes })
  if (values.verbose)
    console.log(
      `seed ${seed}: ${Math.round(performance.now() - startedMs)} ms, ${report.pings} pings, ${report.lives} lives, ${report.virtualMs / 1000} s`,
    )
  pings += report.acknowledged
  lives += report.lives
  if (report.violation !== null) {
    failed.push(report)
    console.log(`seed ${seed} FAILED: ${report.violation}`)
  }
  if (values.verbose) for (const line of report.chronicle) console.log(line)
}
const tookMs = Math.round(performance.now() - startedMs)
console.log(
  `${count} seeds, ${failed.length} failed, ${pings} pings acknowledged, ${lives} lives, ${tookMs} ms`,
)
