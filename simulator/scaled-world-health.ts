import type { SimBroker } from './scaled-world-broker.ts'
import type { Stream } from './scaled-world-stream.ts'

/** What keeps the partitions from being read and handled to their ends, by one owner each; null when nothing does. */
export function waitsForPartitions(broker: SimBroker, streams: readonly Stream[]): string | null {
  for (const [number, { high }] of broker.partitions.entries()) {
    const owners = streams.filter(({ journal }) => journal.partition === number)
    const [owner] = owners
    if (!owner || owners.length > 1) return `partition ${number} has ${owners.length} owners`
    const { journal, sinks, partition } = owner
    const { position, nextOffset, isReading } = journal
    if (!isReading || position < high)
      return `partition ${number} is read to ${position} of ${high}`
    const { handledThrough } = partition
    if (handledThrough >= nextOffset - 1) continue
    const health = Object.values(sinks).map((sink) => `${sink.name}: ${sink.health().detail}`)
    return `partition ${number} is handled to ${handledThrough} of ${nextOffset}; ${health.join('; ')}`
  }
  return null
}
