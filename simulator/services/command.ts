import { systemClock } from '../../actors/kernel/clock.ts'
import { messageOf, OrreryError } from '../../actors/kernel/errors.ts'
import { type Environment, missing, type ServiceName } from '../../actors/testing/services.ts'
import { UsageError } from '../options.ts'
import { installReader, pythonProblem } from '../readers/install.ts'
import {
  type ControlOptions,
  settingsOf,
  startServices,
  statusOfServices,
  stopServices,
} from './control.ts'
import { install } from './install.ts'
import { javaProblem } from './java.ts'
import { parseServicesOptions, SERVICES_HELP, type ServicesOptions } from './options.ts'
import { installReport, statusText } from './report.ts'

const FETCH_HINT = 'run it again, it goes on where it ended; --repository names a mirror'
const EXIT_FAILED = 1
const EXIT_USAGE = 2

/** `bun run services`: returns the exit code. What it does goes to stderr, where things are to stdout. */
export async function servicesMain(args: readonly string[], env: Environment): Promise<number> {
  try {
    const options = parseServicesOptions(args, env)
    if (options) return await run(options, env)
    process.stdout.write(`${SERVICES_HELP}\n`)
    return 0
  } catch (thrown) {
    say(messageOf(thrown))
    if (thrown instanceof OrreryError && thrown.code === 'fetch_failed') say(FETCH_HINT)
    return thrown instanceof UsageError ? EXIT_USAGE : EXIT_FAILED
  }
}

async function run(options: ServicesOptions, env: Environment): Promise<number> {
  const { action, services, extras, ports, dir, json } = options
  const control: ControlOptions = { dir, env, clock: systemClock, say }
  if (action === 'stop') {
    await stopServices(services, control)
    return 0
  }
  // Before 250 MB are fetched for nothing.
  if (action === 'start') checkPrograms(services, env)
  if (extras.length > 0) checkPython(env)
  if (action === 'install' || action === 'start') await fetchMissing(options, env)
  if (action === 'install')
    checkPrograms(extras.includes('spark') ? [...services, 's3'] : services, env)
  if (action === 'start') await startServices(services, ports, control)
  const statuses = statusOfServices(services, control)
  const settings = settingsOf(dir)
  if (json) print(JSON.stringify({ dir, services: statuses, settings }, null, 2))
  else if (action === 'status') print(statusText(statuses))
  else if (action === 'start') print(lines(settings))
  const bad = statuses.some(({ pid, missing }) =>
    action === 'install' ? missing !== null : pid === null,
  )
  return bad ? EXIT_FAILED : 0
}

async function fetchMissing(options: ServicesOptions, env: Environment): Promise<void> {
  const { services, extras, cache, repository } = options
  const report = installReport(systemClock, process.stderr.isTTY, (text) => {
    process.stderr.write(text)
  })
  const about = { folder: cache, repository, clock: systemClock, report }
  for (const service of services) {
    if (service === 'redis') continue
    await install(service, about)
  }
  for (const extra of extras) {
    // Both of the small ones lie in one place.
    await installReader(extra === 'spark' ? extra : 'pyiceberg', { ...about, env })
  }
}

/** Throws what a reader needs of the system and is not there. */
function checkPython(env: Environment): void {
  const problem = pythonProblem(env)
  if (problem !== null) throw new OrreryError('service_missing', problem)
}

/** Throws what must be installed by hand, all of it at once. */
function checkPrograms(services: readonly ServiceName[], env: Environment, spark = false): void {
  const redis = services.includes('redis') ? missing('redis', env) : null
  const jars = spark || services.some((service) => service !== 'redis')
  const java = jars ? javaProblem(env) : null
  const problems = [redis, java].filter((problem) => problem !== null)
  if (problems.length > 0) throw new OrreryError('service_missing', problems.join('\n'))
}

/** Lines that a shell or an env file takes. */
function lines(settings: Readonly<Record<string, string>>): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${value}`)
    .join('\n')
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

function say(text: string): void {
  process.stderr.write(`services: ${text}\n`)
}
