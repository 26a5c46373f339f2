import { OrreryError } from './errors.ts'
import { damaged, type SnapshotHead, type SnapshotPart } from './shared-head.ts'
import type { SharedThread } from './shared-publisher.ts'
import type { SnapshotObjects } from './snapshots.ts'

/** Downloads ahead of the one that is written to the file. */
const DOWNLOADS_MAX = 3

type Restoring = Readonly<{
  head: SnapshotHead
  objects: SnapshotObjects
  thread: SharedThread
}>

/** Brings a snapshot into the worker's file, the newest states first; gives the bytes that came. */
export async function restoreSnapshot({
  head,
  objects,
  thread,
}: Restoring): Promise<{ bytes: number }> {
  const { through } = head
  const wanted = head.segments
    .toReversed()
    .flatMap(({ number, parts }) => parts.map((part) => ({ part, segment: number })))
  const all = [...wanted, ...(head.marks ? [{ part: head.marks, segment: null }] : [])]
  const coming: Promise<ArrayBuffer>[] = []
  const states = new Map<number, number>()
  let bytes = 0
  for (const [index, { part, segment }] of all.entries()) {
    for (const next of all.slice(index + coming.length, index + DOWNLOADS_MAX)) {
      const download = downloaded(objects, next.part)
      // Its turn to be awaited may never come.
      download.catch(() => {})
      coming.push(download)
    }
    const memory = await coming.shift()
    if (!memory) break
    const { name } = part
    const request = { ask: 'restore', name, memory, segment, through } as const
    const reply = await thread.ask(request, memory)
    bytes += part.bytes
    if (segment !== null) states.set(segment, (states.get(segment) ?? 0) + reply.states)
  }
  for (const { number, parts, states: expected } of head.segments) {
    const found = states.get(number) ?? 0
    if (found === expected) continue
    throw damaged(parts[0]?.name ?? String(number), `${found} states instead of ${expected}`)
  }
  await thread.ask({ ask: 'restored' })
  return { bytes }
}

async function downloaded(objects: SnapshotObjects, part: SnapshotPart): Promise<ArrayBuffer> {
  const bytes = await objects.read(part.name)
  if (!bytes) {
    const message = `the snapshot object ${part.name} is missing; its head names it`
    throw new OrreryError('snapshot_missing', message)
  }
  if (bytes.byteLength !== part.bytes) {
    throw damaged(part.name, `${bytes.byteLength} bytes instead of ${part.bytes}`)
  }
  // The worker takes the memory as a whole.
  return bytes.slice().buffer
}
