import type { Journal } from './journal.ts'
import type { Counter, Histogram, Labels, Telemetry } from './telemetry.ts'

/** What a journal counts. */
export class JournalStatistics {
  readonly groups: Counter
  readonly entries: Counter
  readonly offsets: Counter
  readonly refused: Counter
  readonly failures: Counter
  readonly syncMs: Histogram

  constructor(telemetry: Telemetry, journal: Journal) {
    const labels: Labels = { partition: String(journal.partition) }
    const counter = (name: string, help: string): Counter => telemetry.counter(name, help, labels)
    const gauge = (name: string, help: string, read: () => number): void =>
      telemetry.gauge(name, help, labels).from(read)
    this.groups = counter('orrery_journal_groups_total', 'Groups written and synced')
    this.entries = counter('orrery_journal_entries_total', 'Entries committed')
    this.offsets = counter('orrery_journal_offsets_total', 'Messages committed')
    this.refused = counter(
      'orrery_journal_refused_total',
      'Entries refused as busy, full or failed',
    )
    this.failures = counter('orrery_journal_failures_total', 'Groups that the disk did not take')
    this.syncMs = telemetry.histogram(
      'orrery_journal_sync_ms',
      'Milliseconds from the start of a write to the end of its sync',
      labels,
    )
    gauge(
      'orrery_journal_waiting_bytes',
      'Bytes offered and not synced',
      () => journal.bytesWaiting,
    )
    gauge('orrery_journal_stored_bytes', 'Bytes on disk', () => journal.bytesStored)
    gauge('orrery_journal_first_offset', 'Oldest offset kept', () => journal.firstOffset)
    gauge('orrery_journal_next_offset', 'Offset of the next message', () => journal.nextOffset)
    gauge('orrery_journal_refusing', '1 while appends are refused', () =>
      journal.refusing ? 1 : 0,
    )
  }
}
