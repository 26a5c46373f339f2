import { createServer } from 'node:net'
import { dirname, join } from 'node:path'

import { asRecord, parseJson } from '../simulator/wire.ts'
import { readMetric } from './metric.ts'

/** The server under test: the real one, as `bun run start` starts it, on its own data. */
export type ServerUnderTest = Readonly<{
  pid: number
  port: number
  key: string
  /** Rows of a read-only query, asked through the control socket. */
  sql(text: string): Promise<readonly Readonly<Record<string, unknown>>[]>
  /** The value of a metric; of a histogram the share `quantile` of what was observed, as its bucket's upper bound. */
  metric(name: string, quantile?: number): Promise<number>
  /** Ends it; waits until it is gone. Its exit code. */
  stop(): Promise<number>
  /** Ends it as a power cut does. */
  kill(): Promise<void>
  /** Settles when it ends by itself, with what it said last. */
  ended: Promise<string>
}>

/** What differs from the defaults. */
export type Settings = Readonly<Record<string, string>>

const ROOT = dirname(import.meta.dir)
const READY_MS_MAX = 60_000
const STOP_MS_MAX = 60_000
const SAID_CHARACTERS_MAX = 4_000

/** Starts the server and waits until it is ready; rejects with what it said when it does not start. */
export async function startServer(
  dataDir: string,
  settings: Settings = {},
): Promise<ServerUnderTest> {
  const port = await freePort()
  const key = `bench-${crypto.randomUUID()}`
  const child = Bun.spawn([process.execPath, 'deploy/boot.ts', 'deploy/start.ts'], {
    cwd: ROOT,
    // Nothing of this shell's own settings: the figures are those of the defaults.
    env: {
      PATH: process.env.PATH ?? '',
      HOME: process.env.HOME ?? '',
      UV_THREADPOOL_SIZE: '16',
      HOST: '127.0.0.1',
      PORT: String(port),
      DATA_DIR: dataDir,
      API_KEY: key,
      LOG_LEVEL: 'warn',
      ...settings,
    },
    stdout: 'pipe',
    stderr: 'pipe',
  })
  let said = ''
  const listen = async (stream: ReadableStream<Uint8Array>): Promise<void> => {
    const decoder = new TextDecoder()
    for await (const chunk of stream)
      said = (said + decoder.decode(chunk, { stream: true })).slice(-SAID_CHARACTERS_MAX)
  }
  void listen(child.stdout)
  void listen(child.stderr)
  const ended = child.exited.then((code) => `the server ended with code ${code}:\n${said}`)
  const stop = async (): Promise<number> => {
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX)
    const code = await child.exited
    clearTimeout(timer)
    return code
  }
  try {
    await Promise.race([untilReady(port), ended.then((why) => Promise.reject(new Error(why)))])
  } catch (cause) {
    await stop()
    throw cause
  }
  return {
    ...{ pid: child.pid, port, key, stop, ended },
    sql: (text) => ask(dataDir, text),
    metric: (name, quantile) => readMetric(port, name, quantile),
    async kill() {
      child.kill('SIGKILL')
      await child.exited
    },
  }
}

async function untilReady(port: number): Promise<void> {
  const endMs = performance.now() + READY_MS_MAX
  for (;;) {
    const ready = await fetch(`http://127.0.0.1:${port}/ready`).then(
      (response) => response.ok,
      () => false,
    )
    if (ready) return
    if (performance.now() > endMs) throw new Error(`not ready after ${READY_MS_MAX / 1_000} s`)
    await Bun.sleep(25)
  }
}

async function ask(
  dataDir: string,
  sql: string,
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const response = await fetch('http://localhost/sql', {
    method: 'POST',
    unix: join(dataDir, 'control.sock'),
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ sql, format: 'JSONEachRow' }),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${sql}: HTTP ${response.status} ${text.slice(0, 500)}`)
  return text.split('\n').flatMap((line) => {
    const row = line === '' ? null : asRecord(parseJson(line))
    return row ? [row] : []
  })
}

/** A port that nobody had a moment ago. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      const port = typeof address === 'object' && address ? address.port : 0
      probe.close(() => resolve(port))
    })
  })
}
