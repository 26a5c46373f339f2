import type { Fact } from '../actors/model/fact.ts'
import type {
  Fix,
  History,
  HistoryPage,
  HistoryRequest,
  TripsPage,
} from '../actors/model/history.ts'

/** The stored part of the past: rows up to `storedThrough` only, so that nothing is seen twice. */
export interface StoredHistory<Page = HistoryPage> {
  load(
    requests: readonly HistoryRequest[],
    options: Readonly<{ storedThrough: number }>,
  ): Promise<readonly Page[]>
}

/** Facts on their way to the store. */
export interface FactsOnTheirWay {
  /** Everything up to here is stored and visible. */
  readonly acknowledged: number
  /** Rows that were accepted and are not acknowledged. */
  unacknowledged(): Iterable<Fact>
}

/**
 * A session's past as it stood before a message: what the store has up to its acknowledged offset,
 * and above it the facts on their way there. The cut between the two is taken once, before the store
 * is asked, so that a batch that lands meanwhile is not counted twice.
 */
export function joinedHistory(stored: StoredHistory, onTheirWay: FactsOnTheirWay): History {
  return {
    async load(requests) {
      const storedThrough = onTheirWay.acknowledged
      const recent = recentFixes(onTheirWay.unacknowledged(), requests, storedThrough)
      const pages = await stored.load(requests, { storedThrough })
      return pages.map((page, index) => {
        const request = requests[index]
        return request ? withRecent(page, request, recent.get(request.id) ?? []) : page
      })
    },
  }
}

/** The same for a region: the trips of a minute, stored and on their way. */
export function joinedTripHistory(
  stored: StoredHistory<TripsPage>,
  onTheirWay: FactsOnTheirWay,
): History<TripsPage> {
  return {
    async load(requests) {
      const storedThrough = onTheirWay.acknowledged
      const recent = recentTrips(onTheirWay.unacknowledged(), requests, storedThrough)
      const pages = await stored.load(requests, { storedThrough })
      return pages.map((page, index) => {
        const tripIds = recent[index] ?? []
        return tripIds.length === 0 ? page : { ...page, tripIds: [...page.tripIds, ...tripIds] }
      })
    },
  }
}

/** Ids of the trips on their way that each request asks for, in order of the requests. */
function recentTrips(
  facts: Iterable<Fact>,
  requests: readonly HistoryRequest[],
  storedThrough: number,
): readonly string[][] {
  const recent = requests.map((): string[] => [])
  const askers = new Map<number, number[]>()
  for (const [index, { id }] of requests.entries()) {
    const regionId = Number(id)
    askers.set(regionId, [...(askers.get(regionId) ?? []), index])
  }
  for (const fact of facts) {
    if (fact.kind !== 'trip' || fact.offset <= storedThrough) continue
    const { regionId, tripId, eventTimeUs } = fact.trip
    for (const index of askers.get(regionId) ?? []) {
      const request = requests[index]
      if (!request || fact.offset >= request.beforeOffset) continue
      if (minuteOf(request.eventTimeUs) === minuteOf(eventTimeUs)) recent[index]?.push(tripId)
    }
  }
  return recent
}

function minuteOf(eventTimeUs: number): number {
  return Math.floor(eventTimeUs / 60_000_000)
}

type RecentFix = Readonly<{ offset: number; fix: Fix }>

function recentFixes(
  facts: Iterable<Fact>,
  requests: readonly HistoryRequest[],
  storedThrough: number,
): ReadonlyMap<string, RecentFix[]> {
  const recent = new Map(requests.map((request): [string, RecentFix[]] => [request.id, []]))
  for (const fact of facts) {
    if (fact.kind !== 'movement' || fact.offset <= storedThrough) continue
    const { eventTimeUs, status, lat, lng } = fact
    recent
      .get(fact.sessionId)
      ?.push({ offset: fact.offset, fix: { eventTimeUs, status, lat, lng } })
  }
  return recent
}

/** Adds what is on its way, as far out as the page reaches: a page may hold a neighbour beyond its range. */
function withRecent(
  page: HistoryPage,
  request: HistoryRequest,
  recent: readonly RecentFix[],
): HistoryPage {
  const times = page.fixes.map((fix) => fix.eventTimeUs)
  const fromUs = Math.min(page.fromUs, ...times)
  const toUs = Math.max(page.toUs, ...times)
  const within = recent.filter(
    ({ offset, fix: { eventTimeUs } }) =>
      offset < request.beforeOffset && eventTimeUs >= fromUs && eventTimeUs <= toUs,
  )
  if (within.length === 0) return page
  return { ...page, fixes: [...page.fixes, ...within.map(({ fix }) => fix)] }
}
