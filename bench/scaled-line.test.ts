import { expect, test } from 'bun:test'

import { CountingLine } from './scaled-line.ts'

/** A port that nobody had a moment ago. */
function freePort(): number {
  const probe = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } })
  const { port } = probe
  probe.stop()
  return port
}

test('a line passes everything on and counts requests, not their bodies', async () => {
  const body = `PUT /this is no request\n${'x'.repeat(300_000)}`
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch: async (request) => new Response(`${request.method} ${(await request.text()).length}`),
  })
  const line = await CountingLine.open(freePort(), server.port ?? 0)
  const url = `http://127.0.0.1:${line.port}/bucket/key`
  try {
    for (let round = 0; round < 3; round++) {
      const put = await fetch(url, { method: 'PUT', body })
      expect(await put.text()).toBe(`PUT ${body.length}`)
    }
    expect(await (await fetch(url)).text()).toBe('GET 0')
    expect(Object.fromEntries(line.requests)).toEqual({ PUT: 3, GET: 1 })
    expect(line.total).toBe(4)
    expect(line.bytes).toBeGreaterThan(3 * body.length)
  } finally {
    line.close()
    await server.stop(true)
  }
})
