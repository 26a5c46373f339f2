// `bun run test:services [what bun test takes]`: every test, those against real servers among them. The tests start the servers
// that they need, each its own, and end them; here all of it is fetched first. With CI set nothing is skipped.
import { join } from 'node:path'

import { servicesMain } from '../simulator/services/command.ts'

const PARTS = ['kafka', 'redis', 's3', 'catalog', 'readers']

const installed = await servicesMain(['install', ...PARTS], process.env)
if (installed !== 0) process.exit(installed)
const command = [process.execPath, join(import.meta.dir, 'boot.ts'), 'test']
const child = Bun.spawn([...command, ...process.argv.slice(2)], {
  env: { UV_THREADPOOL_SIZE: '16', ...process.env, CI: 'true' },
  stdio: ['inherit', 'inherit', 'inherit'],
})
process.exit(await child.exited)
