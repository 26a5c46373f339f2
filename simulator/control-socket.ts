import { openSync } from 'node:fs'
import { connect } from 'node:net'
import { dirname, join } from 'node:path'

/** File in the data directory through which its owner talks to a running server. */
const CONTROL_SOCKET = 'control.sock'
/** Longest path of a Unix socket, the closing zero byte left out. */
const SOCKET_PATH_BYTES_MAX = 107

/** A running server's control socket: HTTP, open to its owner alone, so that no key is needed. */
export type ControlSocket = Readonly<{
  path: string
  fetch(pathAndQuery: string, init?: RequestInit): Promise<Response>
}>

/** The control socket of the server that runs on this data directory; null when none runs. */
export async function findControlSocket(dataDir: string): Promise<ControlSocket | null> {
  const path = reachablePath(join(dataDir, CONTROL_SOCKET))
  if (path === null || !(await answers(path))) return null
  return {
    path,
    fetch: (pathAndQuery, init) =>
      fetch(`http://localhost${pathAndQuery}`, { ...init, unix: path }),
  }
}

/** Asks a running server for a key that it forgets again soon. */
export async function borrowKey(control: ControlSocket): Promise<string> {
  const response = await control.fetch('/keys', { method: 'POST' })
  const text = await response.text()
  const answer: unknown = response.ok ? JSON.parse(text) : null
  if (typeof answer === 'object' && answer !== null && 'key' in answer) return String(answer.key)
  throw new Error(`the running server gave no key: HTTP ${response.status} ${text.slice(0, 200)}`)
}

/** The path, or one through an open directory when it is longer than the system takes. */
function reachablePath(path: string): string | null {
  if (Buffer.byteLength(path) <= SOCKET_PATH_BYTES_MAX) return path
  try {
    // The descriptor stays open as long as the process: the short path goes through it.
    return `/proc/self/fd/${openSync(dirname(path), 'r')}/${CONTROL_SOCKET}`
  } catch {
    return null
  }
}

/** True when somebody listens. A file left by a process that was killed does not. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
