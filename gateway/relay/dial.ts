import type { LineOut } from './forward-stream.ts'
import { RELAY_PATH } from './protocol.ts'

/** A connection to the core, open or not yet. */
export interface Line extends LineOut {
  /** Ends it at once, whatever the other end does. */
  cut(): void
}

/** What is told of a line; nothing after `closed`, which comes once. */
export type LineEvents = Readonly<{
  opened(): void
  word(text: string): void
  closed(why: string): void
}>

/** Opens a line to the core. */
export type Dial = (events: LineEvents) => Line

/** The address of a core's relay, from what is configured: a host, with or without a path. */
export function relayUrl(upstream: string): string {
  const url = new URL(upstream)
  if (url.protocol === 'http:') url.protocol = 'ws:'
  if (url.protocol === 'https:') url.protocol = 'wss:'
  if (url.pathname === '/' || url.pathname === '') url.pathname = RELAY_PATH
  return url.href
}

/** Bun's WebSocket, of which the browsers' types know only a part. */
const EdgeSocket = WebSocket as unknown as new (
  url: string,
  options: Readonly<{ headers: Readonly<Record<string, string>> }>,
) => WebSocket & { terminate(): void }

/** Lines over Bun's WebSocket, with the key in the upgrade. */
export function dialWebSocket(upstream: string, key: string): Dial {
  const url = relayUrl(upstream)
  return (events) => {
    let isOver = false
    const over = (why: string): void => {
      if (isOver) return
      isOver = true
      events.closed(why)
    }
    const socket = new EdgeSocket(url, { headers: { authorization: `Bearer ${key}` } })
    socket.binaryType = 'arraybuffer'
    socket.addEventListener('open', () => {
      if (!isOver) events.opened()
    })
    socket.addEventListener('message', ({ data }) => {
      if (!isOver && typeof data === 'string') events.word(data)
    })
    socket.addEventListener('error', (event) => {
      const why = 'message' in event && typeof event.message === 'string' ? event.message : ''
      over(why === '' ? 'no connection' : why)
    })
    socket.addEventListener('close', ({ code, reason }) =>
      over(reason === '' ? `closed with ${code}` : reason),
    )
    return {
      send: (message) => {
        if (!isOver) socket.send(message)
      },
      get buffered() {
        return socket.bufferedAmount
      },
      cut() {
        over('cut')
        socket.terminate()
      },
    }
  }
}
