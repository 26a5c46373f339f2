import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { messageOf } from '../../actors/kernel/errors.ts'
import { fetchJar } from './fetch.ts'
import { HastyClock, Registry } from './testing.ts'

let folder = ''
let clock = new HastyClock()
let bytesHere = 0

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'orrery-fetch-'))
  clock = new HastyClock()
  bytesHere = 0
})

afterEach(() => rmSync(folder, { recursive: true }))

function run(registry: Registry): Promise<void> {
  const onBytes = (bytes: number): void => {
    bytesHere += bytes
  }
  return fetchJar(registry.jar, { repository: registry.url, folder, clock, onBytes })
}

/** It is there, whole, under its name and no other, and every byte was told once. */
function expectWhole(registry: Registry): void {
  expect(readdirSync(folder)).toEqual([registry.jar.name])
  expect(new Uint8Array(readFileSync(join(folder, registry.jar.name)))).toEqual(registry.bytes)
  expect(bytesHere).toBe(registry.jar.bytes)
}

const part = (registry: Registry): string => join(folder, `${registry.jar.name}.part`)

describe('a jar', () => {
  test('is fetched once', async () => {
    using registry = new Registry()
    await run(registry)
    expectWhole(registry)
    bytesHere = 0
    await run(registry)
    expectWhole(registry)
    expect(registry.ranges).toEqual([''])
  })

  test('goes on where an earlier run ended', async () => {
    using registry = new Registry()
    writeFileSync(part(registry), registry.bytes.slice(0, 5_000))
    await run(registry)
    expectWhole(registry)
    expect(registry.ranges).toEqual(['bytes=5000-'])
  })

  test('that was whole but not yet named is not fetched again', async () => {
    using registry = new Registry()
    writeFileSync(part(registry), registry.bytes)
    await run(registry)
    expectWhole(registry)
    expect(registry.ranges).toEqual([])
  })

  test('comes from its beginning where nothing can be resumed', async () => {
    using registry = new Registry((_, bytes) => new Response(bytes.slice()))
    writeFileSync(part(registry), registry.bytes.slice(0, 5_000))
    await run(registry)
    expectWhole(registry)
  })

  test('goes on after a line that was cut', async () => {
    using registry = new Registry((request, bytes) =>
      request === 1 ? new Response(bytes.slice(0, 7_000)) : null,
    )
    await run(registry)
    expectWhole(registry)
    expect(registry.ranges).toEqual(['', 'bytes=7000-'])
  })

  test('is tried again when the registry is busy, later each time', async () => {
    using registry = new Registry((request) =>
      request <= 3 ? new Response('', { status: 503 }) : null,
    )
    await run(registry)
    expectWhole(registry)
    expect(clock.waitedMs).toEqual([1_000, 2_000, 4_000])
  })

  test('that stops coming is asked for again', async () => {
    using registry = new Registry((request, bytes) => {
      if (request > 1) return null
      const body = new ReadableStream({
        start: (out) => out.enqueue(bytes.slice(0, 100)),
        pull: () => {
          setImmediate(() => clock.end())
          return new Promise<void>(() => {})
        },
      })
      return new Response(body)
    })
    await run(registry)
    expectWhole(registry)
    expect(registry.ranges).toHaveLength(2)
  })

  test('with a part that is wrong is thrown away and fetched anew', async () => {
    using registry = new Registry()
    writeFileSync(part(registry), 'x'.repeat(5_000))
    await run(registry)
    expectWhole(registry)
    expect(registry.ranges).toEqual(['bytes=5000-', ''])
  })

  test('that has other bytes than expected is never named', async () => {
    using registry = new Registry((_, bytes) => new Response(bytes.map((byte) => byte ^ 1)))
    expect(await run(registry).then(() => '', messageOf)).toContain('SHA-256')
    expect(readdirSync(folder)).toEqual([])
    expect(registry.ranges).toHaveLength(5)
  })

  test('that is longer than expected is refused before it fills the disk', async () => {
    using registry = new Registry((_, bytes) => new Response(Buffer.concat([bytes, bytes])))
    expect(await run(registry).then(() => '', messageOf)).toContain('more than its')
  })

  test('that does not exist is asked for once, and named', async () => {
    using registry = new Registry(() => new Response('', { status: 404 }))
    const said = await run(registry).then(() => '', messageOf)
    expect(said).toContain(`${registry.url}/${registry.jar.path}: the answer is 404`)
    expect(registry.ranges).toHaveLength(1)
  })

  test('of a registry that is away is tried for a while, and named', async () => {
    const registry = new Registry()
    registry[Symbol.dispose]()
    expect(await run(registry).then(() => '', messageOf)).toContain(registry.jar.path)
    expect(clock.waitedMs).toEqual([1_000, 2_000, 4_000, 8_000])
  })
})
