import { servicesMain } from '../simulator/services/command.ts'

process.exit(await servicesMain(process.argv.slice(2), process.env))
