/** A vehicle's side of a socket, for tests: every reply in order, and how it closed. */
export class TestSocket {
  readonly #socket: Bun.WebSocket
  readonly #replies: string[] = []
  #waiting: ((reply: string | null) => void)[] = []
  readonly closed: Promise<Readonly<{ code: number; reason: string }>>
  #isClosed = false

  private constructor(socket: Bun.WebSocket) {
    this.#socket = socket
    socket.addEventListener('message', (event) => {
      const waiting = this.#waiting.shift()
      if (waiting) waiting(String(event.data))
      else this.#replies.push(String(event.data))
    })
    this.closed = new Promise((resolve) => {
      socket.addEventListener('close', (event) => {
        this.#isClosed = true
        for (const waiting of this.#waiting.splice(0)) waiting(null)
        resolve({ code: event.code, reason: event.reason })
      })
    })
  }

  /** Connects; throws when the upgrade is refused. */
  static async connect(url: string, headers: Record<string, string> = {}): Promise<TestSocket> {
    // Bun's client takes headers, pings and cuts; the browser's type, which is in sight here, does not.
    const socket: Bun.WebSocket = Reflect.construct(WebSocket, [url, { headers }])
    const made = new TestSocket(socket)
    await new Promise<void>((resolve, reject) => {
      socket.addEventListener('open', () => resolve())
      socket.addEventListener('close', (event) => reject(new Error(`refused: ${event.code}`)))
    })
    return made
  }

  /** Connects and authenticates. */
  static async open(url: string, key: string): Promise<TestSocket> {
    const socket = await TestSocket.connect(url)
    await socket.ask(JSON.stringify({ type: 'authentication', api_key: key }))
    return socket
  }

  send(frame: string | Uint8Array): void {
    this.#socket.send(typeof frame === 'string' ? frame : Uint8Array.from(frame))
  }

  /** The next reply; throws when the socket closes without one. */
  async next(): Promise<string> {
    const early = this.#replies.shift()
    if (early !== undefined) return early
    const reply = this.#isClosed
      ? null
      : await new Promise<string | null>((resolve) => this.#waiting.push(resolve))
    if (reply === null) throw new Error('the socket closed without a reply')
    return reply
  }

  ask(frame: string | Uint8Array): Promise<string> {
    this.send(frame)
    return this.next()
  }

  /** Replies that came and were not taken: more than one a message. */
  get unread(): number {
    return this.#replies.length
  }

  /** A round trip: whatever the server has sent before has arrived after it. Over at once when closed. */
  async settle(): Promise<void> {
    if (this.#isClosed) return
    const answered = new Promise<void>((resolve) => {
      this.#socket.addEventListener('pong', () => resolve(), { once: true })
      this.#socket.ping()
    })
    await Promise.race([answered, this.closed])
  }

  /** Cuts the line, as a lost network does. */
  cut(): void {
    this.#socket.terminate()
  }

  close(code = 1000): void {
    this.#socket.close(code)
  }
}
