import { assert, OrreryError } from '../kernel/errors.ts'
import { type OutgoingRecord, type Producer, type ProducerSource, TOO_LARGE } from './producer.ts'
import { Repeats } from './repeats.ts'
import { parseStamp } from './stamp.ts'

/** What goes wrong with one send. */
export type Fault =
  'lost request' | 'lost answer' | 'silence' | 'too large' | 'half an answer' | null

/** A broker in memory: what it stored, and what goes wrong next. For tests. */
export class MemoryBroker implements ProducerSource {
  readonly topic = 'sessions'
  readonly log: OutgoingRecord[][] = [[], [], [], []]
  faults: Fault[] = []
  sends = 0
  opened = 0
  recordBytesMax = Infinity
  batchBytesMax = Infinity

  /** Called with what is about to be sent. */
  sent = (_: readonly OutgoingRecord[]): void => {}

  async partitions(): Promise<number> {
    return this.log.length
  }

  async open(): Promise<Producer> {
    this.opened++
    let isUsedUp = false
    return {
      send: async (records) => {
        assert(!isUsedUp, 'a producer is used up by its first failure')
        this.sends++
        this.sent(records)
        const fault = this.#faultOf(records)
        isUsedUp = fault !== null
        await Promise.resolve()
        if (fault === 'too large') throw new OrreryError(TOO_LARGE, 'too large')
        if (fault === 'silence') return new Promise(() => {})
        if (fault === 'lost request') throw new OrreryError('kafka', 'cut')
        const ranges = new Map<number, number>()
        for (const record of records) {
          const log = this.log[record.partition] ?? []
          if (!ranges.has(record.partition)) ranges.set(record.partition, log.length)
          log.push(record)
        }
        if (fault === 'lost answer') throw new OrreryError('kafka', 'cut')
        const answer = [...ranges].map(([partition, kafkaOffset]) => ({ partition, kafkaOffset }))
        return fault === 'half an answer' ? answer.slice(1) : answer
      },
      close: async () => {},
    }
  }

  #faultOf(records: readonly OutgoingRecord[]): Fault {
    const sizes = records.map(({ value }) => value.byteLength)
    const sum = sizes.reduce((total, size) => total + size, 0)
    if (Math.max(...sizes) > this.recordBytesMax || sum > this.batchBytesMax) return 'too large'
    return this.faults.shift() ?? null
  }

  /** What a reader keeps of a partition, with Kafka's offsets. */
  keptRecords(partition: number): readonly (OutgoingRecord & Readonly<{ offset: number }>)[] {
    const repeats = new Repeats()
    return (this.log[partition] ?? []).flatMap((record, offset) => {
      const parsed = parseStamp(record.stamp)
      return parsed && !repeats.isRepeat(offset, parsed) ? [{ ...record, offset }] : []
    })
  }

  /** The texts of those. */
  kept(partition: number): string[] {
    return this.keptRecords(partition).map(({ value }) => value.toString())
  }
}
