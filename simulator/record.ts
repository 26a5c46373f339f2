import { closeSync, openSync, writeSync } from 'node:fs'

/** The client's own record: each ping that the server acknowledged, one line of JSON each. */
export type AckRecord = Readonly<{ add(lines: readonly string[]): void; close(): void }>

/** Appends to a file. Each call is one write, so that a reader never sees half a line for long. */
export function openRecord(file: string): AckRecord {
  const descriptor = openSync(file, 'a')
  return {
    add: (lines) => void writeSync(descriptor, `${lines.join('\n')}\n`),
    close: () => closeSync(descriptor),
  }
}

/** Keeps no record. */
export const noRecord: AckRecord = { add: () => {}, close: () => {} }
