import { type Counter, type Histogram, type Telemetry } from '../actors/kernel/telemetry.ts'
import type { Trigger } from './batcher.ts'

/** What a sink's gauges read when asked, and the bounds they show beside it. */
export type SinkReadings = Readonly<{
  name: string
  partition: number
  lagRows: number
  lagMs: number
  bytesBuffered: number
  inFlight: number
  acknowledged: number
  settled: number
  bounds: Readonly<{ bufferRowsMax: number; bufferBytesMax: number }>
}>

/** One sink's counters, histograms and gauges, labelled by sink and partition. */
export class SinkTelemetry {
  readonly batches: Readonly<Record<Trigger, Counter>>
  readonly rows: Counter
  readonly bytes: Counter
  readonly failures: Counter
  readonly writeMs: Histogram
  /** From the receipt of a row's message to its being acknowledged, so to being seen by a query. */
  readonly queryableMs: Histogram

  constructor(telemetry: Telemetry, readings: SinkReadings) {
    const labels = { sink: readings.name, partition: String(readings.partition) }
    const batches = (trigger: Trigger): Counter =>
      telemetry.counter('orrery_sink_batches_total', 'Batches acknowledged, by what closed them', {
        ...labels,
        trigger,
      })
    const counter = (name: string, help: string): Counter => telemetry.counter(name, help, labels)
    this.batches = {
      rows: batches('rows'),
      bytes: batches('bytes'),
      age: batches('age'),
      close: batches('close'),
      progress: batches('progress'),
    }
    this.rows = counter('orrery_sink_rows_total', 'Rows acknowledged')
    this.bytes = counter('orrery_sink_bytes_total', 'Bytes of rows acknowledged, as estimated')
    this.failures = counter('orrery_sink_retries_total', 'Writes that failed and are tried again')
    this.writeMs = telemetry.histogram('orrery_sink_write_ms', 'One try to write a batch', labels)
    this.queryableMs = telemetry.histogram(
      'orrery_sink_queryable_ms',
      'From the receipt of a message to its row being acknowledged',
      labels,
    )
    const gauge = (name: string, help: string, read: () => number): void =>
      telemetry.gauge(name, help, labels).from(read)
    gauge('orrery_sink_lag_rows', 'Rows accepted, not acknowledged', () => readings.lagRows)
    gauge('orrery_sink_lag_ms', 'Age of the oldest such row', () => readings.lagMs)
    gauge('orrery_sink_buffer_bytes', 'Bytes of such rows', () => readings.bytesBuffered)
    gauge('orrery_sink_in_flight', 'Batches being written', () => readings.inFlight)
    gauge('orrery_sink_acknowledged_offset', 'Stored up to here', () => readings.acknowledged)
    gauge('orrery_sink_settled_offset', 'Nothing left to store here', () => readings.settled)
    const { bufferRowsMax, bufferBytesMax } = readings.bounds
    gauge('orrery_sink_lag_rows_max', 'Bound on these rows', () => bufferRowsMax)
    gauge('orrery_sink_buffer_bytes_max', 'Bound on their bytes', () => bufferBytesMax)
  }

  /** Counts an acknowledged batch and how long its rows took. */
  acknowledged(
    batch: Readonly<{ trigger: Trigger; bytes: number; receivedMs: readonly number[] }>,
    nowMs: number,
  ): void {
    this.batches[batch.trigger].add()
    this.rows.add(batch.receivedMs.length)
    this.bytes.add(batch.bytes)
    // Rows of one frame share their time: one observation a frame, not a row.
    let run = 0
    for (const [index, receivedMs] of batch.receivedMs.entries()) {
      run++
      if (batch.receivedMs[index + 1] === receivedMs) continue
      this.queryableMs.observe(Math.max(0, nowMs - receivedMs), run)
      run = 0
    }
  }
}
