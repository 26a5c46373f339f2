import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { systemClock } from '../../actors/kernel/clock.ts'
import { COMPLETE, JAR_FOLDERS } from '../../actors/testing/services.ts'
import { install, type Report } from './install.ts'
import { jarsOf, parseJars } from './jars.ts'
import { locked } from './lock.ts'
import { HastyClock, Registry } from './testing.ts'

let folder = ''
let said: string[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'orrery-install-'))
  said = []
})

afterEach(() => rmSync(folder, { recursive: true }))

const report: Report = {
  begin: (service, files, bytes) => void said.push(`${service} ${files} ${bytes}`),
  progress: () => {},
  end: (service) => void said.push(`${service} done`),
  waiting: (service) => void said.push(`${service} waits`),
}

function run(registry: Registry): Promise<string> {
  const clock = new HastyClock()
  const options = { folder, repository: registry.url, clock, report }
  return install('kafka', options, [registry.jar])
}

describe('a service', () => {
  test('is fetched once, however many ask for it at once', async () => {
    using registry = new Registry()
    const folders = await Promise.all([run(registry), run(registry), run(registry)])
    expect(new Set(folders)).toEqual(new Set([join(folder, JAR_FOLDERS.kafka)]))
    expect(registry.ranges).toHaveLength(1)
    expect(said.filter((line) => line === 'kafka waits')).toHaveLength(2)
    await run(registry)
    expect(registry.ranges).toHaveLength(1)
  })

  test('is not complete while a jar is missing, and goes on later', async () => {
    using away = new Registry(() => new Response('', { status: 404 }))
    await expect(run(away)).rejects.toThrow('404')
    expect(existsSync(join(folder, JAR_FOLDERS.kafka, COMPLETE))).toBe(false)
    using registry = new Registry()
    await run(registry)
    expect(readdirSync(join(folder, JAR_FOLDERS.kafka)).sort()).toEqual(
      [registry.jar.name, COMPLETE, 'lock'].sort(),
    )
  })

  test('goes on after a run that was killed', async () => {
    using registry = new Registry()
    const place = join(folder, JAR_FOLDERS.kafka)
    mkdirSync(place)
    const lock = join(place, 'lock')
    const program = `
      import { locked } from ${JSON.stringify(join(import.meta.dir, 'lock.ts'))}
      import { systemClock } from ${JSON.stringify(join(import.meta.dir, '../../actors/kernel/clock.ts'))}
      await locked(${JSON.stringify(lock)}, systemClock, () => {}, () => {
        console.log('locked')
        return new Promise((resolve) => setTimeout(resolve, 60_000))
      })`
    const script = join(folder, 'holds-the-lock.ts')
    writeFileSync(script, program)
    const child = Bun.spawn([process.execPath, script], { stdout: 'pipe', stderr: 'inherit' })
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
      if (text.includes('locked')) break
    }
    writeFileSync(join(place, `${registry.jar.name}.part`), registry.bytes.slice(0, 10))
    let waited = false
    const free = locked(
      lock,
      systemClock,
      () => (waited = true),
      async () => {},
    )
    expect(waited).toBe(true)
    child.kill('SIGKILL')
    await free
    await run(registry)
    expect(registry.ranges).toEqual(['bytes=10-'])
  })
})

describe('the lists of jars', () => {
  test('are read as coordinates of Maven', () => {
    expect(parseJars('org.x.y:a-b:1.0:tests 12 ff\n')).toEqual([
      {
        name: 'a-b-1.0-tests.jar',
        path: 'org/x/y/a-b/1.0/a-b-1.0-tests.jar',
        bytes: 12,
        sha256: 'ff',
      },
    ])
  })

  test.each(['kafka', 's3', 'catalog'] as const)(
    '%s: each jar is pinned, none twice',
    (service) => {
      const jars = jarsOf(service)
      expect(jars.length).toBeGreaterThan(0)
      for (const { path, bytes, sha256 } of jars) {
        expect(path).toMatch(/^([\w-]+\/)+[\w.-]+\/[\w.-]+\/[\w.-]+\.jar$/)
        expect(bytes).toBeGreaterThan(1_000)
        expect(sha256).toMatch(/^[0-9a-f]{64}$/)
      }
      expect(new Set(jars.map(({ name }) => name)).size).toBe(jars.length)
    },
  )

  test.each(['kafka', 's3', 'catalog'] as const)(
    '%s: the folder is named by its version',
    (service) => {
      const version = JAR_FOLDERS[service].split('-').at(-1) ?? ''
      expect(jarsOf(service).some(({ name }) => name.includes(`-${version}`))).toBe(true)
    },
  )
})
