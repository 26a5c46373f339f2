import { afterEach, expect, test } from 'bun:test'
import net from 'node:net'

import { type GatewayServer, startServer } from './server.ts'
import { TEST_KEY, TestIngest, testPorts, wirePing } from './testing.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

function start(ingest = new TestIngest()): GatewayServer {
  const server = startServer(testPorts({ ingest }), { port: 0, host: '127.0.0.1' })
  cleanups.push(() => server.stop())
  return server
}

const TEXT = 1
const CLOSE = 8
const PING = 9
const PONG = 10

/** A frame of the server; `code` is that of a close. */
type Frame = Readonly<{ opcode: number; fin: boolean; code: number | null; text: string }>

/** A TCP connection that reads and writes bytes as they are. */
class RawLine {
  readonly #socket: net.Socket
  #bytes: Buffer = Buffer.alloc(0)
  #arrived: (() => void) | null = null

  constructor(port: number) {
    this.#socket = net.connect(port, '127.0.0.1')
    this.#socket.on('data', (chunk) => {
      this.#bytes = Buffer.concat([this.#bytes, Buffer.from(chunk.toString('latin1'), 'latin1')])
      this.#arrived?.()
    })
    cleanups.push(() => this.#socket.destroy())
  }

  write(bytes: string | Uint8Array): void {
    this.#socket.write(bytes)
  }

  /** The next bytes up to and with an end. */
  async until(end: string): Promise<string> {
    while (!this.#bytes.includes(end)) await this.#more()
    return this.take(this.#bytes.indexOf(end) + end.length).toString()
  }

  /** The next frame of a server: never masked, and short in these tests. */
  async frame(): Promise<Frame> {
    while (this.#bytes.length < 2 || this.#bytes.length < 2 + (this.#bytes[1] ?? 0)) {
      await this.#more()
    }
    const [first = 0, length = 0] = this.take(2)
    const body = this.take(length)
    const code = (first & 15) === CLOSE ? body.readUInt16BE(0) : null
    return { opcode: first & 15, fin: first >= 128, code, text: code ? '' : body.toString() }
  }

  take(count: number): Buffer {
    const taken = this.#bytes.subarray(0, count)
    this.#bytes = this.#bytes.subarray(count)
    return taken
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#arrived = resolve
    })
  }
}

/** A masked frame, as clients write it. */
function clientFrame(opcode: number, text: string, fin = true): Uint8Array {
  const body = Buffer.from(text)
  const mask = Buffer.from([7, 77, 177, 27])
  const length =
    body.length < 126 ? [128 | body.length] : [128 | 126, body.length >> 8, body.length & 255]
  const masked = body.map((byte, index) => byte ^ (mask[index % 4] ?? 0))
  return Buffer.concat([Buffer.from([(fin ? 128 : 0) | opcode, ...length]), mask, masked])
}

async function handshake(port: number): Promise<Readonly<{ line: RawLine; answer: string }>> {
  const line = new RawLine(port)
  line.write(
    `GET /ws HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n' +
      'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n' +
      'User-Agent: Python/3.11 websockets/10.4\r\n\r\n',
  )
  return { line, answer: await line.until('\r\n\r\n') }
}

test("a client like Python's websockets: compression declined, pings answered, fragments joined", async () => {
  const { line, answer } = await handshake(start().port)
  expect(answer).toStartWith('HTTP/1.1 101')
  expect(answer.toLowerCase()).not.toContain('sec-websocket-extensions')
  line.write(clientFrame(TEXT, `{"type": "authentication", "api_key": "${TEST_KEY}"}`))
  expect(await line.frame()).toEqual({
    opcode: TEXT,
    fin: true,
    code: null,
    text: '{"status":"authenticated","message":"Authentication successful"}',
  })
  line.write(clientFrame(PING, 'are you there'))
  expect(await line.frame()).toEqual({ opcode: PONG, fin: true, code: null, text: 'are you there' })
  const ping = JSON.stringify(wirePing())
  const text = '{"success":true,"message":"Data received"}'
  const received = { opcode: TEXT, fin: true, code: null, text }
  line.write(clientFrame(TEXT, ping))
  expect(await line.frame()).toEqual(received)
  line.write(clientFrame(TEXT, ping.slice(0, 100), false))
  line.write(clientFrame(PING, 'between'))
  line.write(clientFrame(0, ping.slice(100)))
  expect(await line.frame()).toEqual({ opcode: PONG, fin: true, code: null, text: 'between' })
  expect(await line.frame()).toEqual(received)
  // 1000 is 0x03 0xe8, which is no text by itself: two ASCII bytes do as well, 0x0f 0x41 is 3905.
  line.write(clientFrame(CLOSE, '\u000f\u0041'))
  expect(await line.frame()).toMatchObject({ opcode: CLOSE, code: 3905 })
})

test('a wrong key is told in one frame and then closed with 1008', async () => {
  const { line } = await handshake(start().port)
  line.write(clientFrame(TEXT, '{"type": "authentication", "api_key": "wrong"}'))
  const reply = await line.frame()
  expect(reply.text).toBe('{"status":"error","message":"Authentication failed"}')
  expect(await line.frame()).toMatchObject({ opcode: CLOSE, code: 1008 })
})

test('text that is no UTF-8 ends the socket, and the server goes on', async () => {
  const server = start()
  const { line } = await handshake(server.port)
  line.write(Uint8Array.of(0x81, 0x82, 0, 0, 0, 0, 0xff, 0xfe))
  expect((await line.frame()).opcode).toBe(CLOSE)
  expect((await fetch(`http://127.0.0.1:${server.port}/health`)).status).toBe(200)
})

test('a port that is taken is one clear error', () => {
  const server = start()
  expect(() => startServer(testPorts(), { port: server.port, host: '127.0.0.1' })).toThrow(
    `port ${server.port} is taken by another process; set PORT to a free one`,
  )
})

test('over a real line a body beyond the limit is 413 in words', async () => {
  const server = start()
  const answer = await fetch(`http://127.0.0.1:${server.port}/ingest`, {
    method: 'POST',
    body: new Uint8Array(9_000_000),
    headers: { authorization: `Bearer ${TEST_KEY}`, 'content-type': 'application/x-ndjson' },
  })
  expect(answer.status).toBe(413)
  expect(await answer.json()).toMatchObject({ error: { code: 'too_large' } })
})

test('stopping answers the request in progress and accepts no other', async () => {
  const ingest = new TestIngest()
  ingest.outcome = null
  const server = start(ingest)
  const url = `http://127.0.0.1:${server.port}/ingest`
  const answer = fetch(url, {
    method: 'POST',
    body: JSON.stringify(wirePing()),
    headers: { authorization: `Bearer ${TEST_KEY}` },
  })
  await ingest.atLeast(1)
  const stopped = server.stop()
  ingest.release()
  expect((await answer).status).toBe(200)
  await stopped
  expect(await fetch(url).catch(() => 'refused')).toBe('refused')
})
