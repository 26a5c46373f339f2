/** What is told between workers and web processes: the live map of sessions, the windows of regions. */
export type Channel = 'live' | 'regions'

/** Keys of a partition in a channel. */
export type PartitionKeys = Readonly<{
  /** Stream of deltas: `epoch`, `seq` and `delta` an entry; one without a delta says that a snapshot stands anew. */
  stream: string
  /** Hash: the fence. `epoch` of the owner, `seq` of the newest delta. */
  head: string
  /** Hash: `epoch`, `seq`, `after` (an id of the stream), `parts`, and the parts by number. */
  snapshot: string
  /** Text: figures of the last second, as JSON. */
  figures: string
}>

export function partitionKeys(channel: Channel, partition: number): PartitionKeys {
  const stream = `${prefixOf(channel)}:${partition}`
  return {
    ...{ stream, head: `${stream}:head` },
    ...{ snapshot: `${stream}:snapshot`, figures: `${stream}:figures` },
  }
}

/** Where the parts of a snapshot are put until all of it is there. */
export function stagingKey(channel: Channel, partition: number, epoch: number): string {
  return `${prefixOf(channel)}:${partition}:staging:${epoch}`
}

/** Sorted set of partitions that have an owner, by when it was last heard of: milliseconds of Redis' clock. */
export function partitionsKey(channel: Channel): string {
  return `${prefixOf(channel)}:partitions`
}

/** There while a web process wants deltas. */
export function watchersKey(channel: Channel): string {
  return `${prefixOf(channel)}:watchers`
}

export function prefixOf(channel: Channel): string {
  return `orrery:${channel}`
}
