import { closeSync, openSync } from 'node:fs'

/**
 * Puts nothing on descriptor 0. The engine takes what it can read there for rows of its own inserts: whatever is
 * wanted of standard input must have been read, or taken away, before.
 */
export function shutStdin(): void {
  closeSync(0)
  // The lowest free descriptor is the one that was closed.
  const nothing = openSync('/dev/null', 'r')
  if (nothing !== 0) closeSync(nothing)
}
