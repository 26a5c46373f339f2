import { createServer } from 'node:net'

/** Below those that the system gives to connections: a server that is down keeps its port, and nothing connects to itself. */
const FIRST = 20_000
const LAST = 31_999

/** Ports of this machine that stay ours while their servers come and go. */
export class Ports {
  #next: number

  constructor(random: () => number = Math.random) {
    this.#next = FIRST + Math.floor(random() * (LAST - FIRST))
  }

  /** One that nobody has and that was not given before. */
  async take(): Promise<number> {
    for (let tries = FIRST; tries <= LAST; tries++) {
      const port = this.#next
      this.#next = port >= LAST ? FIRST : port + 1
      if (await isFree(port)) return port
    }
    throw new Error(`every port from ${FIRST} to ${LAST} is taken`)
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen(port, '127.0.0.1', () => void probe.close(() => resolve(true)))
  })
}
