import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

import { OrreryError } from '../../actors/kernel/errors.ts'
import {
  COMPLETE,
  type Environment,
  pythonIn,
  READER_FOLDERS,
  type ReaderName,
} from '../../actors/testing/services.ts'
import { fetchJar } from '../services/fetch.ts'
import type { InstallOptions } from '../services/install.ts'
import { parseJars } from '../services/jars.ts'
import { locked } from '../services/lock.ts'

/** What a reader is made of: packages of PyPI, all versions pinned, and jars. */
const KITS = {
  pyiceberg: { list: 'readers', wheels: true, bytes: 132_000_000 },
  duckdb: { list: 'readers', wheels: true, bytes: 132_000_000 },
  // PySpark is published as sources only, which need no compiler.
  spark: { list: 'spark', wheels: false, bytes: 455_000_000 },
} as const satisfies Record<ReaderName, Readonly<{ list: string; wheels: boolean; bytes: number }>>

const PYTHON_MIN = 11
const MISSING =
  'Python 3.11 or newer with venv is missing: apt-get install --no-install-recommends python3 python3-venv'

type ReaderInstallOptions = InstallOptions & Readonly<{ env: Environment }>

/**
 * Installs a reader into a Python of its own in the cache; returns that Python. PyIceberg and DuckDB share one. Safe beside
 * other runs, and after one that was killed. Throws OrreryError `python_missing`, `pip_failed`, `fetch_failed`.
 */
export async function installReader(
  reader: ReaderName,
  options: ReaderInstallOptions,
): Promise<string> {
  const folder = join(options.folder, READER_FOLDERS[reader])
  const python = pythonIn(folder)
  const marker = join(folder, COMPLETE)
  const done = (): boolean => existsSync(marker) && existsSync(python)
  if (done()) return python
  mkdirSync(folder, { recursive: true })
  const name = reader === 'spark' ? reader : 'readers'
  const onWait = (): void => options.report.waiting(name)
  await locked(join(dirname(folder), `${name}.lock`), options.clock, onWait, async () => {
    // Another run may have installed it while this one waited.
    if (done()) return
    for (const entry of readdirSync(folder)) {
      if (!entry.endsWith('.jar') && !entry.endsWith('.jar.part')) {
        rmSync(join(folder, entry), { recursive: true })
      }
    }
    const system = systemPython(options.env)
    if (system === null) throw new OrreryError('python_missing', MISSING)
    const beganMs = options.clock.monotonicMs()
    const bytes = await fill(reader, name, folder, { ...options, system })
    writeFileSync(marker, `${bytes} bytes\n`)
    options.report.end(name, bytes, options.clock.monotonicMs() - beganMs)
  })
  return python
}

/** Paths of the jars that Spark needs beside itself. */
export function sparkJars(python: string): readonly string[] {
  const folder = dirname(dirname(python))
  return jars().map(({ name }) => join(folder, name))
}

/** Why no reader can be installed here, or null. */
export function pythonProblem(env: Environment): string | null {
  return systemPython(env) === null ? MISSING : null
}

/** Bytes that came. */
async function fill(
  reader: ReaderName,
  name: string,
  folder: string,
  options: ReaderInstallOptions & Readonly<{ system: string }>,
): Promise<number> {
  const { report, system, env } = options
  const { list, wheels, bytes: about } = KITS[reader]
  const file = join(import.meta.dir, `${list}.txt`)
  const packages = readFileSync(file, 'utf8').trim().split('\n').length
  const files = reader === 'spark' ? jars() : []
  const bytes = files.reduce<number>((sum, jar) => sum + jar.bytes, about)
  let bytesHere = 0
  const onBytes = (more: number): void => {
    bytesHere += more
    report.progress(name, Math.min(bytesHere, bytes), bytes)
  }
  report.begin(name, packages + files.length, bytes)
  await run([system, '-m', 'venv', folder], env)
  const pip = [pythonIn(folder), '-m', 'pip', 'install', '--disable-pip-version-check']
  const only = wheels ? ['--only-binary', ':all:'] : []
  await run([...pip, '--progress-bar', 'off', ...only, '-r', file], env, (line) => {
    onBytes(bytesSaid(line))
  })
  for (const jar of files) await fetchJar(jar, { ...options, folder, onBytes })
  return bytes
}

/** The size in a line of pip, as `Downloading x.whl (12.3 MB)`, in bytes; 0 in any other. */
export function bytesSaid(line: string): number {
  const [, number, unit] =
    /^\s*(?:Downloading|Using cached) .*\(([\d.]+) (bytes|kB|MB)\)/.exec(line) ?? []
  if (number === undefined) return 0
  return Math.round(Number(number) * (unit === 'MB' ? 1e6 : unit === 'kB' ? 1e3 : 1))
}

function jars() {
  return parseJars(readFileSync(join(import.meta.dir, 'spark.jars'), 'utf8'))
}

/** A Python that is new enough and can make environments, or null. */
function systemPython(env: Environment): string | null {
  const test = `import sys, venv, ensurepip; sys.exit(sys.version_info < (3, ${PYTHON_MIN}))`
  for (const name of ['python3', 'python3.13', 'python3.12', 'python3.11']) {
    const python = Bun.which(name, { PATH: env.PATH ?? '' })
    if (python === null) continue
    const { exitCode } = Bun.spawnSync([python, '-c', test], {
      env,
      stdio: ['ignore', 'ignore', 'ignore'],
    })
    if (exitCode === 0) return python
  }
  return null
}

async function run(
  command: readonly string[],
  env: Environment,
  onLine: (line: string) => void = () => {},
): Promise<void> {
  const child = Bun.spawn([...command], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const errors = new Response(child.stderr).text()
  let rest = ''
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) onLine(line)
  }
  if ((await child.exited) === 0) return
  const last = (await errors).trim().slice(-1_500)
  throw new OrreryError('pip_failed', `${command.slice(0, 4).join(' ')}: ${last}`, {
    retriable: true,
  })
}
