import { dlopen, FFIType } from 'bun:ffi'
import { closeSync, openSync } from 'node:fs'

const LIBC = process.platform === 'darwin' ? 'libSystem.B.dylib' : 'libc.so.6'

/**
 * Puts nothing on descriptor 0. The engine takes what it can read there for rows of its own inserts: whatever is
 * wanted of standard input must have been read, or taken away, before. In one step: were the descriptor free for a
 * moment, another thread's file could get it.
 */
export function shutStdin(): void {
  const { symbols, close } = dlopen(LIBC, {
    dup2: { args: [FFIType.i32, FFIType.i32], returns: FFIType.i32 },
  })
  const nothing = openSync('/dev/null', 'r')
  symbols.dup2(nothing, 0)
  if (nothing !== 0) closeSync(nothing)
  close()
}
