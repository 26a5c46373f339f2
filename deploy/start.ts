import { main } from './main.ts'

// The parts are loaded when the checks are through: a wrong flag is answered at once.
const exitCode = await main(process.argv.slice(2), async (options) => {
  const { startOrrery } = await import('./wiring.ts')
  return startOrrery(options)
})
process.exit(exitCode)
