import { spawnSync } from 'node:child_process'
// What every script of package.json runs first. It imports nothing that must be installed.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

const root = dirname(import.meta.dir)
const stampFile = join(root, 'node_modules', '.orrery-installed')

/** What must be installed, as one hash: the lock file, and the machine that native parts were fetched for. */
function wanted(): string {
  const lock = readFileSync(join(root, 'bun.lock'))
  const machine = `${process.platform}-${process.arch}`
  return createHash('sha256').update(machine).update(lock).digest('hex')
}

function installed(): string {
  return existsSync(stampFile) ? readFileSync(stampFile, 'utf8') : ''
}

/** One line on stderr, and the end. */
function fail(message: string, exitCode = 1): never {
  process.stderr.write(`orrery: ${message}\n`)
  process.exit(exitCode)
}

/** Brings `node_modules` to what the lock file says, with the Bun that runs this. */
function install(want: string): void {
  const why = existsSync(join(root, 'node_modules'))
    ? 'dependencies do not match bun.lock'
    : 'first run, dependencies are missing'
  process.stderr.write(`orrery: ${why}; running bun install (650 MB on disk)\n`)
  // Its report goes to stderr: stdout belongs to the command that was asked for. No package here needs a script.
  const flags = ['--frozen-lockfile', '--no-summary', '--ignore-scripts']
  const { status, signal } = spawnSync(process.execPath, ['install', ...flags], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  })
  if (signal !== null) process.kill(process.pid, signal)
  if (status !== 0) fail('bun install failed; see the lines above', status ?? 1)
  writeFileSync(stampFile, want)
}

const [target, ...rest] = process.argv.slice(2)
if (target === undefined) fail('usage: bun deploy/boot.ts <file.ts | test> [arguments]', 2)
const run = process.execve
if (process.platform === 'win32' || run === undefined) {
  fail(
    `Linux or macOS and Bun 1.4.5 are needed (this is Bun ${Bun.version}): npx -y bun@1.4.5 run …`,
  )
}

const want = wanted()
if (installed() !== want) install(want)

// The same process becomes the command: no second one to pass signals and exit codes to. A fresh
// start (not an import) because Bun remembers which packages were missing when it first looked.
const tests = ['test', '--randomize', '--timeout', '60000']
const command = target === 'test' ? [...tests, ...rest] : [join(root, target), ...rest]
const settings = {
  // More threads than cores, or a sync waits behind a query.
  UV_THREADPOOL_SIZE: '16',
  // The collector lets garbage grow with the machine's memory; measured, this keeps a third of it away.
  BUN_JSC_forceRAMSize: '2000000000',
}
run.call(process, process.execPath, ['bun', ...command], { ...settings, ...process.env })
