import { afterAll, beforeAll, expect, test } from 'bun:test'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

let root = ''
const env = { PATH: process.env['PATH'] ?? '', UV_THREADPOOL_SIZE: '7' }

/** A project with one dependency, which lies in a folder beside it: nothing is fetched. */
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'orrery-boot-'))
  mkdirSync(join(root, 'project', 'deploy'), { recursive: true })
  mkdirSync(join(root, 'greeting'))
  const write = (path: string, text: string): void => writeFileSync(join(root, path), text)
  write('greeting/package.json', '{"name":"greeting","version":"1.0.0","main":"index.js"}')
  write('greeting/index.js', 'exports.greeting = "hello"')
  write('project/package.json', '{"name":"p","dependencies":{"greeting":"file:../greeting"}}')
  copyFileSync(join(import.meta.dir, 'boot.ts'), join(root, 'project', 'deploy', 'boot.ts'))
  write(
    'project/say.ts',
    `import { greeting } from 'greeting'
    process.on('SIGTERM', () => process.exit(9))
    console.log(JSON.stringify([greeting, process.argv.slice(2), process.env.UV_THREADPOOL_SIZE]))
    if (process.argv.includes('stay')) setInterval(() => {}, 60_000)
    else process.exitCode = 5`,
  )
  write('project/one.test.ts', `import { test } from 'bun:test'; test('one', () => {})`)
  const locked = Bun.spawnSync([process.execPath, 'install', '--lockfile-only'], {
    cwd: join(root, 'project'),
    env,
  })
  expect(locked.exitCode).toBe(0)
})
afterAll(() => rmSync(root, { recursive: true }))

function boot(...args: string[]) {
  const { exitCode, stdout, stderr } = Bun.spawnSync(
    [process.execPath, join(root, 'project', 'deploy', 'boot.ts'), ...args],
    { cwd: join(root, 'project'), env },
  )
  return { exitCode, out: stdout.toString(), err: stderr.toString() }
}

test('what is missing is installed once, and the command is that process', () => {
  rmSync(join(root, 'project', 'node_modules'), { recursive: true, force: true })
  const said = '["hello",["--demo","a b"],"7"]\n'
  const first = boot('say.ts', '--demo', 'a b')
  expect({ ...first, err: '' }).toEqual({ exitCode: 5, out: said, err: '' })
  expect(first.err).toStartWith('orrery: first run, dependencies are missing; running bun install')
  expect(boot('say.ts', '--demo', 'a b')).toEqual({ exitCode: 5, out: said, err: '' })

  const lock = join(root, 'project', 'bun.lock')
  writeFileSync(lock, `// changed\n${readFileSync(lock, 'utf8')}`)
  expect(boot('say.ts').err).toStartWith('orrery: dependencies do not match bun.lock')
  expect(boot('say.ts').err).toBe('')
})

test('test runs the tests, with the arguments it was given', () => {
  const { exitCode, err } = boot('test', 'one')
  expect(err).toContain('1 pass')
  expect(exitCode).toBe(0)
  expect(boot('test', 'none-of-that-name').exitCode).not.toBe(0)
})

test('a signal reaches the command itself', async () => {
  boot('say.ts')
  const child = Bun.spawn(
    [process.execPath, join(root, 'project', 'deploy', 'boot.ts'), 'say.ts', 'stay'],
    { cwd: join(root, 'project'), env, stdout: 'pipe' },
  )
  const { value } = await child.stdout.getReader().read()
  expect(new TextDecoder().decode(value)).toContain('"stay"')
  child.kill('SIGTERM')
  expect(await child.exited).toBe(9)
})

test('without a command it says how it is used', () => {
  const { exitCode, err } = boot()
  expect({ exitCode, lines: err.trim().split('\n').length }).toEqual({ exitCode: 2, lines: 1 })
})
