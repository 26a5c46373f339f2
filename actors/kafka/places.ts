/** Bits of an offset that are the place within a Kafka record. */
const PLACE_BITS = 10

/** Offsets that a record may take: messages of a frame, and one more for a retry's own line. */
export const PLACES_MAX = 2 ** PLACE_BITS

/** Kafka offsets below this give exact offsets: 8.8 million millions a partition. */
export const KAFKA_OFFSET_MAX = Number.MAX_SAFE_INTEGER / PLACES_MAX - 1

/**
 * The offset of a record's first message (SPEC.md D1). It is a function of the log alone, rises with it, and
 * leads back to the record; between two records there are gaps.
 */
export function offsetOf(kafkaOffset: number, place = 0): number {
  return kafkaOffset * PLACES_MAX + place
}

/** The Kafka offset of the record that an offset is within. */
export function kafkaOffsetOf(offset: number): number {
  return Math.floor(offset / PLACES_MAX)
}
