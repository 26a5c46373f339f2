import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { join } from 'node:path'

import { TEST_KEY, TEST_SOURCE, wirePing } from './testing.ts'

const deno = Bun.which('deno')
if (deno === null) {
  const reason = 'deno is missing: npm install --global deno@2.9.6'
  if (process.env.CI === 'true') throw new Error(reason)
  process.stderr.write(`orrery: TESTS SKIPPED: ${reason}\n`)
}

describe.skipIf(deno === null)('under Deno', () => {
  let gateway: Bun.Subprocess<'pipe', 'pipe', 'inherit'>
  let url = ''

  beforeAll(async () => {
    const program = join(import.meta.dir, 'deno-testing.ts')
    const flags = ['--allow-all', '--no-check', '--no-lock', '--no-config']
    gateway = Bun.spawn([deno ?? '', 'run', ...flags, '--node-modules-dir=manual', program], {
      stdin: 'pipe',
      stdout: 'pipe',
      stderr: 'inherit',
    })
    const { value } = await gateway.stdout.getReader().read()
    url = `http://127.0.0.1:${Number(new TextDecoder().decode(value))}`
  }, 60_000)

  afterAll(async () => {
    await gateway.stdin.end()
    await gateway.exited
  })

  const post = (body: BodyInit, headers: Readonly<Record<string, string>> = {}) =>
    fetch(`${url}/ingest`, {
      method: 'POST',
      headers: { authorization: `Bearer ${TEST_KEY}`, ...headers },
      body,
    })
  const lines = (count: number): string =>
    Array.from({ length: count }, () => JSON.stringify(wirePing())).join('\n')

  test('POST /ingest takes pings, compressed or not, and says what is wrong with others', async () => {
    expect(await (await post(lines(3))).json()).toMatchObject({ accepted: 3 })
    const packed = Bun.gzipSync(Buffer.from(lines(50)))
    const answer = await post(packed, { 'content-encoding': 'gzip' })
    expect(await answer.json()).toMatchObject({ accepted: 50 })
    const bad = await post(`${lines(1)}\n${JSON.stringify(wirePing({ status: 'lost' }))}`)
    expect(await bad.json()).toMatchObject({
      accepted: 1,
      refused: [{ index: 1, code: 'invalid_ping', path: 'status' }],
    })
    const taken: unknown = JSON.parse(await (await fetch(`${url}/metrics`)).text())
    expect(taken).toEqual([
      [TEST_SOURCE, 3],
      [TEST_SOURCE, 50],
      [TEST_SOURCE, 1],
    ])
  })

  test('a wrong key is refused', async () => {
    expect((await post(lines(1), { authorization: 'Bearer nobody' })).status).toBe(401)
  })

  test('health and readiness are as anywhere', async () => {
    expect(await (await fetch(`${url}/health`)).json()).toMatchObject({ status: 'healthy' })
    expect(await (await fetch(`${url}/ready`)).json()).toEqual({ status: 'ready' })
  })
})
