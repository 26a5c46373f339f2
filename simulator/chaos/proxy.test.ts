import { afterEach, beforeEach, expect, test } from 'bun:test'
import { connect, createServer, type Server, type Socket } from 'node:net'

import { systemClock, VirtualClock } from '../../actors/kernel/clock.ts'
import { ChaosProxy } from './proxy.ts'

let server: Server
let port = 0
let proxy: ChaosProxy
/** Sockets on the server's side, in the order of their coming. */
let taken: Socket[] = []
let opened: Socket[] = []
let answer = (socket: Socket, bytes: Uint8Array | string): void => void socket.write(bytes)

beforeEach(async () => {
  taken = []
  opened = []
  answer = (socket, bytes) => void socket.write(bytes)
  server = createServer((socket) => {
    taken.push(socket)
    socket.on('error', () => {})
    socket.on('data', (bytes) => answer(socket, bytes))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  port = typeof address === 'object' && address ? address.port : 0
  proxy = await ChaosProxy.open({ target: () => port, clock: systemClock })
})
afterEach(async () => {
  for (const socket of [...opened, ...taken]) socket.destroy()
  await proxy[Symbol.asyncDispose]()
  await new Promise((resolve) => server.close(resolve))
})

/** A connection through the line: what it has heard, and whether it has ended. */
async function dial(through = proxy) {
  const socket = connect({ host: '127.0.0.1', port: through.port })
  opened.push(socket)
  const heard: Uint8Array[] = []
  const state = { heard, ended: false }
  const waiting = new Set<() => void>()
  const tell = (): void => waiting.forEach((look) => look())
  socket.on('error', () => {})
  socket.on('data', (bytes) => {
    heard.push(Buffer.from(bytes))
    tell()
  })
  socket.on('close', () => {
    state.ended = true
    tell()
  })
  await new Promise((resolve) => socket.once('connect', resolve))
  const until = (isSo: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (isSo()) resolve()
      }
      waiting.add(look)
      look()
    })
  return { socket, state, until, text: () => Buffer.concat(heard).toString() }
}

test('an open line passes everything on, both ways, more than buffers hold', async () => {
  const client = await dial()
  const sent = Buffer.alloc(8 << 20, 'orrery')
  client.socket.write(sent)
  const size = (): number => client.state.heard.reduce((sum, { length }) => sum + length, 0)
  await client.until(() => size() === sent.length)
  expect(Buffer.concat(client.state.heard).equals(sent)).toBe(true)
})

test('a cut ends every connection for both sides, and the next one is served', async () => {
  const client = await dial()
  client.socket.write('a')
  await client.until(() => client.text() === 'a')
  const gone = new Promise((resolve) => taken[0]?.once('close', resolve))
  proxy.cut()
  await client.until(() => client.state.ended)
  await gone
  expect(proxy.connections).toBe(0)
  const next = await dial()
  next.socket.write('b')
  await next.until(() => next.text() === 'b')
})

test('a silent line passes nothing on and tells nobody of an end; mended, all of it arrives in order', async () => {
  const other = await dial()
  const client = await dial()
  client.socket.write('a')
  await client.until(() => client.text() === 'a')
  proxy.set('silent')
  let heardByServer = 0
  answer = () => void heardByServer++
  client.socket.write('b')
  client.socket.end()
  other.socket.write('x')
  // A line of its own on the same server shows that time enough has passed for what does not come.
  await using clear = await ChaosProxy.open({ target: () => port, clock: systemClock })
  const witness = await dial(clear)
  answer = (socket, bytes) => {
    if (String(bytes) === 'w') socket.write('w')
    else heardByServer++
  }
  witness.socket.write('w')
  await witness.until(() => witness.text() === 'w')
  expect([heardByServer, taken[1]?.readableEnded]).toEqual([0, false])
  const ended = new Promise((resolve) => taken[1]?.once('end', resolve))
  proxy.set('open')
  await ended
  expect(heardByServer).toBe(2)
})

test('without answers the server is told everything, and without requests nothing', async () => {
  const client = await dial()
  proxy.set('no answers')
  const told = new Promise((resolve) => (answer = (socket) => resolve(socket.write('answer'))))
  client.socket.write('question')
  await told
  expect(client.text()).toBe('')
  proxy.set('open')
  await client.until(() => client.text() === 'answer')
  proxy.set('no requests')
  client.socket.write('more')
  taken[0]?.write('!')
  await client.until(() => client.text() === 'answer!')
})

test('a refused line ends who comes, and leaves alone who is there', async () => {
  const client = await dial()
  client.socket.write('a')
  await client.until(() => client.text() === 'a')
  proxy.set('refused')
  const late = await dial()
  await late.until(() => late.state.ended)
  client.socket.write('b')
  await client.until(() => client.text() === 'ab')
})

test('a slow line takes its time each way, and keeps the order', async () => {
  const clock = new VirtualClock()
  await using slow = await ChaosProxy.open({ target: () => port, clock })
  const client = await dial(slow)
  slow.slow(400)
  const asked = new Promise<void>((resolve) => {
    answer = (socket, bytes) => {
      socket.write(bytes)
      resolve()
    }
  })
  client.socket.write('a')
  let isThere = false
  void asked.then(() => (isThere = true))
  // The bytes reach the line at some moment; each step of its clock gives them 100 ms.
  let stepsMs = 0
  while (!isThere) {
    await new Promise((resolve) => setImmediate(resolve))
    await clock.advanceMs(100)
    stepsMs += 100
  }
  expect(stepsMs).toBeGreaterThanOrEqual(400)
  slow.slow(0)
  client.socket.write('b')
  while (client.text().length < 2) {
    await new Promise((resolve) => setImmediate(resolve))
    await clock.advanceMs(100)
  }
  expect(client.text()).toBe('ab')
})

test('a server that is not there ends the connection', async () => {
  await using dead = await ChaosProxy.open({ target: () => 1, clock: systemClock })
  const client = await dial(dead)
  await client.until(() => client.state.ended)
  expect(dead.connections).toBe(0)
})
