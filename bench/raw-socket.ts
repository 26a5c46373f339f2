import type { Socket } from 'bun'

import { clientFrame } from './frames.ts'

/** What a raw socket tells its owner. */
export type RawEvents = Readonly<{
  onReply: (text: string) => void
  onClose: (why: string) => void
}>

const OPCODE_TEXT = 1
const OPCODE_CLOSE = 8
const OPCODE_PING = 9
const OPCODE_PONG = 10

/**
 * A WebSocket client as thin as it can be: frames come ready-made and go out in one write each. The
 * load has to cost little, and a library would copy and mask every byte again.
 */
export class RawSocket {
  readonly #events: RawEvents
  #socket: Socket | null = null
  #upgraded: (() => void) | null = null
  /** Bytes that the kernel did not take at once. */
  #unwritten: Buffer[] = []
  #unread: Buffer = Buffer.alloc(0)

  constructor(events: RawEvents) {
    this.#events = events
  }

  /** Connects and upgrades; rejects when the server will not. */
  async open(hostname: string, port: number): Promise<void> {
    const upgraded = Promise.withResolvers<void>()
    this.#upgraded = upgraded.resolve
    const fail = (why: string): void => {
      upgraded.reject(new Error(why))
      this.#events.onClose(why)
    }
    this.#socket = await Bun.connect({
      hostname,
      port,
      socket: {
        data: (_, data) => this.#read(data),
        drain: () => this.#flush(),
        close: () => fail('the server closed the connection'),
        error: (_, error) => fail(error.message),
      },
    })
    this.#socket.setNoDelay(true)
    const nonce = Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString('base64')
    this.#socket.write(
      `GET /ws HTTP/1.1\r\nHost: ${hostname}:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        `Sec-WebSocket-Key: ${nonce}\r\nSec-WebSocket-Version: 13\r\n\r\n`,
    )
    await upgraded.promise
  }

  /** Writes a frame; what the kernel does not take at once is copied and follows later. */
  write(frame: Buffer): void {
    const written = this.isFull ? 0 : Math.max(0, this.#socket?.write(frame) ?? 0)
    if (written < frame.byteLength) this.#unwritten.push(Buffer.from(frame.subarray(written)))
  }

  /** True while the kernel takes no more: the server does not read, or not as fast. */
  get isFull(): boolean {
    return this.#unwritten.length > 0
  }

  end(): void {
    this.write(clientFrame(OPCODE_CLOSE, Buffer.from([0x03, 0xe8])))
    this.#socket?.end()
  }

  #flush(): void {
    for (let next = this.#unwritten[0]; next; next = this.#unwritten[0]) {
      const written = Math.max(0, this.#socket?.write(next) ?? 0)
      if (written < next.byteLength) {
        this.#unwritten[0] = next.subarray(written)
        return
      }
      this.#unwritten.shift()
    }
  }

  #read(data: Buffer): void {
    let bytes = this.#unread.byteLength > 0 ? Buffer.concat([this.#unread, data]) : data
    if (this.#upgraded) {
      const end = bytes.indexOf('\r\n\r\n')
      if (end >= 0) {
        const status = bytes.subarray(0, end).toString().split('\r\n')[0] ?? ''
        if (!status.includes(' 101 ')) {
          this.#events.onClose(status)
          return
        }
        this.#upgraded()
        this.#upgraded = null
        bytes = bytes.subarray(end + 4)
      }
    }
    if (!this.#upgraded) bytes = this.#readFrames(bytes)
    // The buffer handed in is used again by the socket: what is kept must be a copy.
    this.#unread = bytes.byteLength > 0 ? Buffer.from(bytes) : Buffer.alloc(0)
  }

  /** Reads whole frames; returns what is left. */
  #readFrames(bytes: Buffer): Buffer {
    let at = 0
    while (at + 2 <= bytes.byteLength) {
      const opcode = (bytes[at] ?? 0) & 0x0f
      const short = (bytes[at + 1] ?? 0) & 0x7f
      const header = short < 126 ? 2 : short === 126 ? 4 : 10
      if (at + header > bytes.byteLength) break
      const length =
        short < 126
          ? short
          : short === 126
            ? bytes.readUInt16BE(at + 2)
            : Number(bytes.readBigUInt64BE(at + 2))
      const end = at + header + length
      if (end > bytes.byteLength) break
      this.#frame(opcode, bytes.subarray(at + header, end))
      at = end
    }
    return bytes.subarray(at)
  }

  #frame(opcode: number, payload: Buffer): void {
    if (opcode === OPCODE_TEXT) this.#events.onReply(payload.toString('latin1'))
    else if (opcode === OPCODE_PING) this.write(clientFrame(OPCODE_PONG, payload))
    else if (opcode === OPCODE_CLOSE)
      this.#events.onClose(`closed: ${payload.subarray(2).toString()}`)
  }
}
