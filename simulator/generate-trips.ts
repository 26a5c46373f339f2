import { messageOf } from '../actors/kernel/errors.ts'
import { UsageError } from './options.ts'
import { runTrips } from './trips-command.ts'

const code = await runTrips(process.argv.slice(2), {}).catch((thrown: unknown) => {
  const usage = thrown instanceof UsageError
  const hint = usage ? ' (--help lists all options)' : ''
  process.stderr.write(`generate-trips: ${messageOf(thrown)}${hint}\n`)
  return usage ? 2 : 1
})
process.exit(code)
