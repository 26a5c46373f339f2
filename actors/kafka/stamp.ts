import { OrreryError } from '../kernel/errors.ts'
import type { EntryKind, JournalEntry } from '../kernel/journal.ts'
import { PLACES_MAX } from './places.ts'

/** The one header that our records carry. */
export const STAMP_HEADER = 'orrery'

/** Who sent a record, and the how-manieth of that sender in its partition: what a repeat is known by. */
export type SenderStamp = Readonly<{ sender: string; sequence: number }>

/** What a record's header says: a journal entry but for its payload, and its sender. */
export type Stamp = Omit<JournalEntry, 'payload'> & SenderStamp

const VERSION = '1'
const KINDS: ReadonlySet<string> = new Set<EntryKind>([
  ...(['pings', 'dead_letter', 'timer', 'trips', 'retry', 'flush'] as const),
])

/**
 * `1;pings;50;1790000000123;k3x9q2;1041;the source`: one header, because each costs a consumer as much as a small
 * message does, and readable, because others look into the topic too.
 */
export function stampText({ kind, count, receivedMs, sender, sequence, source }: Stamp): string {
  return `${VERSION};${kind};${count};${receivedMs};${sender};${sequence};${source}`
}

/** What a header says; null when it is none of ours. Throws when a newer version wrote it. */
export function parseStamp(text: string): Stamp | null {
  const fields = text.split(';', 6)
  const [version, kind = '', count, receivedMs, sender = '', sequence] = fields
  if (fields.length < 6 || !/^\d{1,3}$/.test(version ?? '')) return null
  if (version !== VERSION) {
    const message = `the topic holds a record of version ${version}: a newer Orrery wrote it; update this one`
    throw new OrreryError('journal_newer', message)
  }
  if (!isKind(kind)) {
    const message = `the topic holds a record of kind ${JSON.stringify(kind.slice(0, 40))}: a newer Orrery wrote it; update this one`
    throw new OrreryError('journal_newer', message)
  }
  const stamp = {
    kind,
    count: Number(count),
    receivedMs: Number(receivedMs),
    sender,
    sequence: Number(sequence),
    // The last field is what is left: a source may hold any character.
    source: text.slice(fields.join(';').length + 1),
  }
  const isSound =
    Number.isInteger(stamp.count) &&
    stamp.count >= 1 &&
    stamp.count <= PLACES_MAX &&
    Number.isFinite(stamp.receivedMs) &&
    Number.isSafeInteger(stamp.sequence)
  return isSound ? stamp : null
}

function isKind(text: string): text is EntryKind {
  return KINDS.has(text)
}
