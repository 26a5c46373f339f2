import { OrreryError } from './errors.ts'

/** The one object of a partition's snapshots that is replaced: it says which others count. */
export const HEAD = 'head'
const FORMAT = 1

/** An object and its length, by which a torn one is known. */
export type SnapshotPart = Readonly<{ name: string; bytes: number }>

/** States that were published together. Of an actor that is in several, the highest number has the newest. */
export type SnapshotSegment = Readonly<{
  number: number
  states: number
  parts: readonly SnapshotPart[]
}>

/** What a partition's next owner goes by. */
export type SnapshotHead = Readonly<{
  /** Rises by one with each claim. */
  epoch: number
  /** Drawn by the claim: who reads it here knows that its own claim is in force. */
  claim: string
  /** Which publish of the claim wrote this; 0 for the claim itself. */
  publish: number
  /** No state is newer than this offset, and no older state than the newest up to it is kept. */
  through: number
  marks: SnapshotPart | null
  /** Rising numbers. */
  segments: readonly SnapshotSegment[]
}>

/** The head as bytes. */
export function encodeHead(head: SnapshotHead): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ format: FORMAT, ...head }))
}

/** A head from its bytes; throws OrreryError `snapshot_newer` or `snapshot_damaged`. */
export function parseHead(bytes: Uint8Array): SnapshotHead {
  const head = new Fields(jsonOf(bytes))
  if (head.number('format') > FORMAT) {
    const message = 'the snapshots were written by a newer version of Orrery; start that version'
    throw new OrreryError('snapshot_newer', message)
  }
  return {
    epoch: head.number('epoch'),
    claim: head.text('claim'),
    publish: head.number('publish'),
    through: head.number('through'),
    marks: head.value('marks') === null ? null : partOf(head.value('marks')),
    segments: head.list('segments').map((value) => {
      const segment = new Fields(value)
      const parts = segment.list('parts').map(partOf)
      return { number: segment.number('number'), states: segment.number('states'), parts }
    }),
  }
}

/** The names of all objects that a head needs. */
export function namesOf(head: SnapshotHead): Set<string> {
  const parts = [
    ...head.segments.flatMap((segment) => segment.parts),
    ...(head.marks ? [head.marks] : []),
  ]
  return new Set(parts.map(({ name }) => name))
}

/** An object that cannot be used, by name. */
export function damaged(name: string, why: string): OrreryError {
  return new OrreryError('snapshot_damaged', `the snapshot object ${name} is damaged: ${why}`)
}

/** The name of a new object; the epoch in it tells whose it is. */
export function objectName(
  owner: Readonly<{ epoch: number; claim: string }>,
  what: string,
): string {
  return `${String(owner.epoch).padStart(10, '0')}-${owner.claim}-${what}`
}

/** The epoch of the claim that wrote an object; null for an object that is none of ours. */
export function epochOf(name: string): number | null {
  const found = /^(\d{10})-[0-9a-f]+-[0-9a-z-]+$/.exec(name)
  return found ? Number(found[1]) : null
}

function partOf(value: unknown): SnapshotPart {
  const part = new Fields(value)
  return { name: part.text('name'), bytes: part.number('bytes') }
}

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    throw damaged(HEAD, 'it is not JSON')
  }
}

/** An object's fields, each checked when it is taken. */
class Fields {
  readonly #fields: ReadonlyMap<string, unknown>

  constructor(value: unknown) {
    if (typeof value !== 'object' || value === null) throw damaged(HEAD, 'an object is missing')
    this.#fields = new Map(Object.entries(value))
  }

  value(name: string): unknown {
    return this.#fields.get(name)
  }

  number(name: string): number {
    const value = this.value(name)
    if (typeof value === 'number' && Number.isSafeInteger(value)) return value
    throw damaged(HEAD, `${name} is not a whole number`)
  }

  text(name: string): string {
    const value = this.value(name)
    if (typeof value === 'string') return value
    throw damaged(HEAD, `${name} is not a text`)
  }

  list(name: string): readonly unknown[] {
    const value = this.value(name)
    if (Array.isArray(value)) return value
    throw damaged(HEAD, `${name} is not a list`)
  }
}
