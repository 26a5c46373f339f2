/**
 * Says which partition a key belongs to. `murmur2` is what Java, kafkajs and kafka-python do, `crc32` what librdkafka
 * does (PacketPulse's gateway): whoever shares a topic with one of them puts a key where they put it.
 */
export type Partitioning = 'murmur2' | 'crc32'

/** The partition of a key, of so many. */
export function partitionOf(key: string, partitions: number, by: Partitioning = 'murmur2'): number {
  const bytes = Buffer.from(key)
  if (by === 'crc32') return Bun.hash.crc32(bytes) % partitions
  return (murmur2(bytes) & 0x7fffffff) % partitions
}

const M = 0x5bd1e995

/** MurmurHash2 (Austin Appleby, public domain) with Kafka's seed. */
function murmur2(bytes: Buffer): number {
  const { length } = bytes
  const whole = length & ~3
  let hash = 0x9747b28c ^ length
  for (let at = 0; at < whole; at += 4) {
    let word = Math.imul(bytes.readInt32LE(at), M)
    word = Math.imul(word ^ (word >>> 24), M)
    hash = Math.imul(hash, M) ^ word
  }
  if (length > whole) {
    for (let at = length - 1; at >= whole; at--) hash ^= (bytes[at] ?? 0) << (8 * (at - whole))
    hash = Math.imul(hash, M)
  }
  hash = Math.imul(hash ^ (hash >>> 13), M)
  return hash ^ (hash >>> 15)
}
