import type { FrameKind } from '../kernel/entries.ts'
import { parseAccepted, type Ping } from '../model/ping.ts'

/** What the frames of the sessions' journal hold. */
export const PINGS: FrameKind<Ping> = { kind: 'pings', parse: parseAccepted }
