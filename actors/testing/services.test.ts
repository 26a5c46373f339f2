import { afterEach, describe, expect, test } from 'bun:test'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'

import { COMPLETE, found, JAR_FOLDERS, missing, servicesFolder, skipped } from './services.ts'

const folders: string[] = []

/** An environment with a cache of its own and one program in its PATH. */
function place(program: string): { env: Record<string, string>; cache: string; file: string } {
  const root = mkdtempSync(join(tmpdir(), 'orrery-services-'))
  folders.push(root)
  const file = join(root, program)
  writeFileSync(file, '')
  chmodSync(file, 0o700)
  return { env: { PATH: root, ORRERY_SERVICES_DIR: root }, cache: root, file }
}

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
})

describe('the cache', () => {
  test('is where its own variable says, else where caches are', () => {
    expect(servicesFolder({ ORRERY_SERVICES_DIR: '/a', XDG_CACHE_HOME: '/b' })).toBe('/a')
    expect(servicesFolder({ XDG_CACHE_HOME: '/b' })).toBe('/b/orrery/services')
    expect(servicesFolder({ XDG_CACHE_HOME: '' })).toBe(join(homedir(), '.cache/orrery/services'))
  })
})

describe('a service', () => {
  test('is not found before all of it was fetched, and says how to fetch it', () => {
    const { env, cache } = place('java')
    mkdirSync(join(cache, JAR_FOLDERS.kafka))
    expect(found('kafka', env)).toBeNull()
    expect(missing('kafka', env)).toContain('bun run services install kafka')
  })

  test('is found once it was', () => {
    const { env, cache } = place('java')
    const folder = join(cache, JAR_FOLDERS.kafka)
    mkdirSync(folder)
    writeFileSync(join(folder, COMPLETE), '')
    expect(found('kafka', env)).toBe(folder)
  })

  test('of jars is not found without Java, and says how to install it', () => {
    const { env, cache } = place('other')
    mkdirSync(join(cache, JAR_FOLDERS.s3))
    writeFileSync(join(cache, JAR_FOLDERS.s3, COMPLETE), '')
    expect(found('s3', env)).toBeNull()
    expect(missing('s3', env)).toContain('apt-get install openjdk-17-jre-headless')
  })

  test('that cannot start is skipped, and with CI set an error', () => {
    const { env } = place('other')
    expect(skipped(['kafka', 'duckdb'], env)).toBe(true)
    expect(() => skipped(['kafka', 'duckdb'], { ...env, CI: 'true' })).toThrow(
      /^kafka is not fetched yet.*\nduckdb is not installed yet/,
    )
  })

  test('Redis is a program of the system', () => {
    const { env, file } = place('redis-server')
    expect(found('redis', env)).toBe(file)
  })
})
