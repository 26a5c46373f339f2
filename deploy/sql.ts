import { sqlMain } from './sql-command.ts'

// The stores are loaded only when no server runs that could answer.
const exitCode = await sqlMain(process.argv.slice(2), async (config, log) => {
  const { openLocalSql } = await import('./wiring.ts')
  return openLocalSql(config, log)
})
process.exit(exitCode)
