import { closeSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'

/** Replaces a file's text as a whole, readable by its owner only; a crash leaves the old one or the new one. */
export function writeDurably(path: string, text: string): void {
  const next = `${path}.next`
  const bytes = Buffer.from(text)
  const file = openSync(next, 'w', 0o600)
  try {
    for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(next, path)
  // The new name is on disk only when its folder is.
  const folder = openSync(dirname(path), 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}
