import { resolve } from 'node:path'
import { parseArgs } from 'node:util'

import {
  type Environment,
  isService,
  type ServiceName,
  SERVICES,
  servicesFolder,
} from '../../actors/testing/services.ts'
import { UsageError, wholeNumber } from '../options.ts'
import { MAVEN_CENTRAL } from './install.ts'

const ACTIONS = ['install', 'start', 'stop', 'status'] as const
export type Action = (typeof ACTIONS)[number]
/** Parts that are installed only when they are named: programs that are not ours and read the lake. */
const EXTRAS = ['readers', 'spark'] as const
export type Extra = (typeof EXTRAS)[number]

/** What `bun run services` was asked for, checked. */
export type ServicesOptions = Readonly<{
  action: Action
  /** In the order in which they start. */
  services: readonly ServiceName[]
  extras: readonly Extra[]
  /** Their data, logs and state; absolute. */
  dir: string
  cache: string
  repository: string
  ports: ReadonlyMap<ServiceName, number>
  json: boolean
}>

export const SERVICES_HELP = `Usage: bun run services [install|start|stop|status] [kafka redis s3 catalog] [options]
       bun run services install [kafka redis s3 catalog readers spark] [options]

Real servers for trying Orrery scaled out and for its tests: an Apache Kafka broker, Redis, an S3
server (s3proxy, objects are files) and Apache Iceberg's REST catalog. What is missing is fetched
from Maven Central (250 MB for all) into a cache and checked by its SHA-256; Redis comes with the
system. Java 17 or newer is needed for all but Redis. They run in the background, without TLS, on
this machine's own address (the catalog listens on all), with keys made for them.

  install            only fetches; when named, also what reads the lake in tests: "readers"
                     (PyIceberg and DuckDB, 130 MB) and "spark" (570 MB), from PyPI, into a Python
                     of their own (3.11 or newer, with venv)
  start              fetches, starts and waits until they serve (what it does when nothing is said)
  stop               ends them; their data stays
  status             which run, and where

  --dir DIR          their data, logs and keys (default: "run" in the cache)
  --port NAME=N      a port, as kafka=9092; again for others (default: a free one, kept in DIR)
  --repository URL   a mirror of Maven Central (default: ${MAVEN_CENTRAL})
  --json             prints addresses and keys as JSON
  --help             this text

The cache is ORRERY_SERVICES_DIR, else orrery/services in XDG_CACHE_HOME or ~/.cache.
Exit code: 0 done (status: all run); 1 something failed (status: one does not run); 2 wrong usage.`

/** Reads the command line; null when help was asked for. Throws UsageError. */
export function parseServicesOptions(
  args: readonly string[],
  environment: Environment,
): ServicesOptions | null {
  const { values, positionals } = parse(args)
  if (values.help) return null
  const [first, ...others] = positionals
  const action = ACTIONS.find((name) => name === first)
  const asked = action === undefined ? positionals : others
  const extras = action === 'install' ? EXTRAS.filter((name) => asked.includes(name)) : []
  const names = asked.filter((name) => !extras.some((extra) => extra === name))
  const cache = resolve(servicesFolder(environment))
  return {
    action: action ?? 'start',
    services: names.length === 0 && extras.length > 0 ? [] : chosen(names, action ?? 'start'),
    extras,
    dir: resolve(values.dir ?? `${cache}/run`),
    cache,
    repository: repository(values.repository),
    ports: new Map(values.port.map(port)),
    json: values.json,
  }
}

/** The services that are named, or all; a catalog brings its storage with it. */
function chosen(names: readonly string[], action: Action): readonly ServiceName[] {
  for (const name of names) service(name)
  const needed = new Set(names.length === 0 ? SERVICES : names)
  if (action === 'start' && needed.has('catalog')) needed.add('s3')
  return SERVICES.filter((name) => needed.has(name))
}

function service(name: string): ServiceName {
  if (isService(name)) return name
  throw new UsageError(`"${name}" is no service: write ${SERVICES.join(', ')}`)
}

function port(text: string): [ServiceName, number] {
  const [name = '', number = ''] = text.split('=')
  return [service(name), wholeNumber('port', number, 1, 65_535)]
}

function repository(text: string): string {
  if (URL.canParse(text) && /^https?:/.test(text)) return text.replace(/\/+$/, '')
  throw new UsageError(`--repository "${text}" is no address: write https://HOST/PATH`)
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        dir: { type: 'string' },
        port: { type: 'string', multiple: true, default: [] },
        repository: { type: 'string', default: MAVEN_CENTRAL },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause))
  }
}
