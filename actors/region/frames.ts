import type { FrameKind } from '../kernel/entries.ts'
import { parseAcceptedTrip, type Trip } from '../model/trip.ts'

/** What the frames of the trips' journal hold. */
export const TRIPS: FrameKind<Trip> = { kind: 'trips', parse: parseAcceptedTrip }
