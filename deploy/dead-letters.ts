import { deadLettersMain } from './dead-letters-command.ts'

process.exit(await deadLettersMain(process.argv.slice(2)))
