/** What a ping is by content, and a movement the same: two of these are one ping sent twice. */
const PING = 'session_id, status, toUnixTimestamp64Micro(timestamp), current_lat, current_lon'
const MOVEMENT = 'session_id, status, event_time_us, current_lat, current_lon'
/** Where bronze is found, unless a check is told of another place. */
export const BRONZE = 'bronze.raw_delivery_data'
/** The sessions of one share. */
type Where = string
const distinct = (
  where: Where,
): string => `SELECT DISTINCT session_id, status, toUnixTimestamp64Micro(timestamp) AS us,
  transform(status, ['started', 'en_route', 'completed'], [0, 1, 2], 3) AS rank,
  assumeNotNull(current_lat) AS lat, assumeNotNull(current_lon) AS lon,
  assumeNotNull(end_lat) AS to_lat, assumeNotNull(end_lon) AS to_lon FROM ${BRONZE} WHERE ${where}`

/** Rows, and names of which each must be there once. */
export const COUNTS = `SELECT
  (SELECT count() FROM ${BRONZE}),
  (SELECT uniqExact(\`partition\`, offset) FROM ${BRONZE}),
  (SELECT uniqExact(${PING}) FROM ${BRONZE}),
  (SELECT uniqExact(session_id) FROM ${BRONZE}),
  (SELECT count() FROM session_movements),
  (SELECT uniqExact(movement_id) FROM session_movements),
  (SELECT uniqExact(\`partition\`, offset, part) FROM session_movements),
  (SELECT count() FROM sessions_base),
  (SELECT uniqExact(session_id) FROM sessions_base),
  (SELECT count() FROM session_events),
  (SELECT uniqExact(session_id, status) FROM session_events),
  (SELECT count() FROM dead_letters),
  (SELECT sum(distance_cm) FROM session_movements)`

/** Rows of the append-only tables behind the documented names, above one for each fact's name. */
export const FACTS_TWICE = ['session_headers', 'session_statuses', 'session_alerts', 'dead_letters']
  .map((table) => `SELECT count() - uniqExact(\`partition\`, offset, part) FROM ${table}`)
  .concat('SELECT count() - uniqExact(session_id, alert, due_at) FROM session_alerts')

/** Distinct pings of bronze, a share of the sessions at a time. */
export function bronzePings(share: number, of: number): string {
  return `SELECT DISTINCT ${PING} FROM ${BRONZE} WHERE ${inShare(share, of)}`
}

/** Movements of silver, all rows. */
export function silverMovements(share: number, of: number): string {
  return `SELECT ${MOVEMENT} FROM session_movements WHERE ${inShare(share, of)}`
}

/** Sessions whose header is not that of their earliest ping. */
export const wrongHeaders = differing((where) => [
  `SELECT session_id AS name, toString(argMin(
    (vehicle_id, order_id, device_id, start_lat, start_lon, end_lat, end_lon,
      toUnixTimestamp64Micro(timestamp), intDiv(toUnixTimestamp64Micro(timestamp), 1000)),
    (timestamp, transform(status, ['started', 'en_route', 'completed'], [0, 1, 2], 3), current_lat, current_lon))) AS content
  FROM ${BRONZE} WHERE ${where} GROUP BY session_id`,
  `SELECT session_id AS name, toString((vehicle_id, order_id, device_id, start_lat, start_lon, end_lat, end_lon,
    created_at_us, toUnixTimestamp64Milli(created_at))) AS content
  FROM sessions_base WHERE ${where}`,
])

/** Sessions and statuses whose time is not that of the earliest ping with that status. */
export const wrongStatuses = differing((where) => [
  `SELECT concat(session_id, ' ', assumeNotNull(status)) AS name,
    toString((min(toUnixTimestamp64Micro(timestamp)), intDiv(min(toUnixTimestamp64Micro(timestamp)), 1000))) AS content
  FROM ${BRONZE} WHERE ${where} GROUP BY session_id, status`,
  `SELECT concat(session_id, ' ', status) AS name,
    toString((event_time_us, toUnixTimestamp64Milli(timestamp))) AS content
  FROM session_events WHERE ${where}`,
])

/** Sessions whose travelled distance is not the way through their pings in order of event time, to the centimetre. */
export const wrongDistances = differing((where) => [
  `SELECT session_id AS name, toString(sum(step_cm)) AS content FROM (
    SELECT session_id, if(place = 1, 0, ${centimetres('before_lat', 'before_lon', 'lat', 'lon')}) AS step_cm FROM (
      SELECT session_id, lat, lon, lagInFrame(lat) OVER way AS before_lat, lagInFrame(lon) OVER way AS before_lon,
        row_number() OVER way AS place FROM (${distinct(where)})
      WINDOW way AS (PARTITION BY session_id ORDER BY us, rank, lat, lon ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)))
  GROUP BY session_id`,
  `SELECT session_id AS name, toString(sum(distance_cm)) AS content FROM session_movements WHERE ${where} GROUP BY session_id`,
])

/** Movements whose distance to the destination is not the straight line from where they are. */
export const wrongRemaining = differing((where) => [
  `SELECT toString((session_id, status, us, lat, lon)) AS name,
    toString(${centimetres('lat', 'lon', 'to_lat', 'to_lon')}) AS content FROM (${distinct(where)})`,
  `SELECT toString((${MOVEMENT})) AS name, toString(remaining_cm) AS content FROM session_movements WHERE ${where}`,
])

/** How many sessions reached each status: started, en_route, completed. */
export const REACHED = `SELECT uniqExactIf(session_id, status = 'started'),
  uniqExactIf(session_id, status = 'en_route'), uniqExactIf(session_id, status = 'completed') FROM ${BRONZE}`

/** A question about a share of the sessions at a time: all at once would not fit the console's memory. */
export type Shared = (share: number, of: number) => string

/** Counts names that are on one side only, or have another content there. */
function differing(sides: (where: Where) => readonly [expected: string, found: string]): Shared {
  return (share, of) => {
    const [expected, found] = sides(inShare(share, of))
    return `SELECT count() FROM (
    SELECT name FROM (SELECT 1 AS side, name, content FROM (${expected}) UNION ALL
      SELECT 2 AS side, name, content FROM (${found}))
    GROUP BY name HAVING uniqExact(side) != 2 OR uniqExact(content) != 1)`
  }
}

/** Great-circle distance on a sphere of the Earth's mean radius, whole centimetres. */
function centimetres(latA: string, lonA: string, latB: string, lonB: string): string {
  return `toInt64(round(100 * 2 * 6371008.8 * asin(least(1., sqrt(
    pow(sin(radians(${latB} - ${latA}) / 2), 2) +
    cos(radians(${latA})) * cos(radians(${latB})) * pow(sin(radians(${lonB} - ${lonA}) / 2), 2))))))`
}

function inShare(share: number, of: number): string {
  return `cityHash64(assumeNotNull(session_id)) % ${of} = ${share}`
}
