import { asRecord, parseJson } from './wire.ts'

export type DoubleOptions = Readonly<{
  key: string
  /** Says what the server does with its n-th data frame (from 0), over all connections. */
  onFrame?: (frame: number) => FrameFate
  /** Why a ping is refused; null takes it. */
  refuse?: (ping: Readonly<Record<string, unknown>>) => string | null
}>

/** What may become of a frame, apart from being taken. */
export type FrameFate = 'take' | 'busy' | 'cut before' | 'cut after'

/** A server of the wire protocol for tests: what it took, and how it was reached. */
export type Double = Readonly<{
  url: string
  /** Text of every ping taken, as often as it came. */
  taken: readonly string[]
  frames: () => number
  connections: () => number
  stop(): Promise<void>
}>

const RETRY_MS = 5

/** Speaks the protocol over real sockets and fails on purpose: `cut after` takes the pings and never replies. */
export function startDouble(options: DoubleOptions): Double {
  const taken: string[] = []
  let frames = 0
  let connections = 0
  const server = Bun.serve<{ authenticated: boolean }>({
    port: 0,
    hostname: '127.0.0.1',
    fetch(request, self) {
      if (self.upgrade(request, { data: { authenticated: false } })) return undefined
      return new Response('Not Found', { status: 404 })
    },
    websocket: {
      open: () => void connections++,
      message(socket, raw) {
        const text = String(raw)
        if (!socket.data.authenticated) {
          socket.data.authenticated = asRecord(parseJson(text))?.api_key === options.key
          if (socket.data.authenticated) socket.send('{"status":"authenticated","message":"ok"}')
          else {
            socket.send('{"status":"error","message":"Authentication failed"}')
            socket.close(1008, 'Authentication failed')
          }
          return
        }
        const fate = options.onFrame?.(frames) ?? 'take'
        frames++
        if (fate === 'cut before') socket.terminate()
        else if (fate === 'busy') {
          const busy = { success: false, message: 'busy', code: 'busy', retry_after_ms: RETRY_MS }
          socket.send(JSON.stringify(busy))
        } else {
          const reply = take(text, taken, options.refuse ?? (() => null))
          if (fate === 'cut after') socket.terminate()
          else socket.send(reply)
        }
      },
    },
  })
  return {
    url: `ws://127.0.0.1:${server.port}/ws`,
    taken,
    frames: () => frames,
    connections: () => connections,
    stop: () => server.stop(true),
  }
}

function take(text: string, taken: string[], refuse: NonNullable<DoubleOptions['refuse']>): string {
  const lines = text.split('\n')
  const refused: { index: number; code: string; message: string }[] = []
  for (const [index, line] of lines.entries()) {
    const reason = refuse(asRecord(parseJson(line)) ?? {})
    if (reason === null) taken.push(line)
    else refused.push({ index, code: 'invalid_ping', message: reason })
  }
  if (lines.length === 1)
    return JSON.stringify({
      success: refused.length === 0,
      message: refused[0]?.message ?? 'Data received',
    })
  return JSON.stringify({
    success: refused.length === 0,
    message: `${refused.length} of ${lines.length} pings refused`,
    accepted: lines.length - refused.length,
    refused,
    refusedCount: refused.length,
  })
}
