import { adaptersOf } from './adapters.ts'
import { main } from './main.ts'

// The parts are loaded when the checks are through: a wrong flag is answered at once.
const exitCode = await main(process.argv.slice(2), async (options) => {
  const { kind } = adaptersOf(options.config).journal
  if (kind === 'kafka') return (await import('./scaled.ts')).startScaled(options)
  if (kind === 'outbox') return (await import('./edge.ts')).startEdge(options)
  return (await import('./wiring.ts')).startOrrery(options)
})
process.exit(exitCode)
