import type { LogFields, LogLevel } from '../../actors/kernel/telemetry.ts'
import type { PackedFrames } from './frames.ts'
import type { BronzeTable } from './table-schema.ts'
import type { WarehouseSettings } from './warehouse.ts'

/** What the sink's Worker is asked. Each call but `start` and `abort` is answered once, with its id. */
export type Call =
  | Readonly<{ call: 'start'; settings: WarehouseSettings<BronzeTable> }>
  | Readonly<{ call: 'open'; id: number; partition: number }>
  | Readonly<{ call: 'write'; id: number; packed: PackedFrames }>
  | Readonly<{ call: 'abort'; id: number }>
  | Readonly<{ call: 'close'; id: number }>

/** What it says. A write's memory comes back with its answer, for the next batch. */
export type Answer =
  | Readonly<{ answer: 'done'; id: number; offset: number; buffer: ArrayBuffer | null }>
  | Readonly<{
      answer: 'failed'
      id: number
      message: string
      retriable: boolean
      /** Another writer has some of the batch: a SinkFenced on the other side too. */
      fenced: boolean
      buffer: ArrayBuffer | null
    }>
  | Readonly<{ answer: 'log'; level: LogLevel; fields: LogFields; message: string }>

/** A message between the two ends; both are ours, so its form is taken as given. */
export function parseMessage<Message extends Call | Answer>(event: MessageEvent): Message {
  return event.data as Message
}
