import { dlopen, FFIType } from 'bun:ffi'
import { constants } from 'node:os'

const { SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV } = constants.signals
const FATAL = [SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV]

/**
 * Lets a fatal signal end the process, as it does by itself. chDB's own handlers hold the thread for up to
 * five minutes first: a process that answers nobody, keeps its port and its lock, and is not restarted.
 */
export function endOnFatalSignals(): void {
  const library = process.platform === 'darwin' ? 'libSystem.B.dylib' : 'libc.so.6'
  const { symbols, close } = dlopen(library, {
    signal: { args: [FFIType.i32, FFIType.ptr], returns: FFIType.ptr },
  })
  // Null is SIG_DFL.
  for (const signal of FATAL) symbols.signal(signal, null)
  close()
}
