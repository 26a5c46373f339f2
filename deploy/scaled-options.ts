import type { Adapters, KafkaChoice } from './adapters.ts'
import type { EventLoopLag } from './lag.ts'
import type { Parts } from './patience.ts'
import type { StartOptions } from './running.ts'

/** What every part of a scaled-out process is opened with. */
export type ScaledOptions = StartOptions &
  Readonly<{
    adapters: Adapters
    choice: KafkaChoice
    /** Names this installation in stores that others may write to as well. */
    installation: string
    parts: Parts
    lag: EventLoopLag
    /** Aborted when the process stops. */
    signal: AbortSignal
  }>
