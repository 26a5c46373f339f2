import { lakeCheckMain } from '../simulator/readers/check.ts'

process.exit(await lakeCheckMain(process.argv.slice(2), process.env))
