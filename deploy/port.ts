import { messageOf } from '../actors/kernel/errors.ts'

/** Why nothing can listen there, in one line, or null: asked before the stores are opened. */
export function portTrouble(host: string, port: number): string | null {
  try {
    Bun.listen({ hostname: host, port, socket: { data() {} } }).stop(true)
    return null
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
    if (code === 'EADDRINUSE') {
      return `PORT ${port} is taken; stop what listens there, or set another PORT`
    }
    if (code === 'EACCES') return `PORT ${port} needs more rights; set one from 1024 up`
    if (code === 'EADDRNOTAVAIL') return `HOST ${host} is no address of this machine`
    return `HOST ${host}, PORT ${port}: cannot listen (${code || messageOf(cause)})`
  }
}
