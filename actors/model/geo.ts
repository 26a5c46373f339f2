/** Mean radius of the Earth, metres (IUGG R1). */
const EARTH_RADIUS_M = 6_371_008.8
const RADIANS = Math.PI / 180

/** Great-circle distance in metres, by the haversine formula; exact to 0.5 % on the ellipsoid. */
export function distanceM(latA: number, lngA: number, latB: number, lngB: number): number {
  const sinLat = Math.sin(((latB - latA) * RADIANS) / 2)
  const sinLng = Math.sin(((lngB - lngA) * RADIANS) / 2)
  const chord =
    sinLat * sinLat + Math.cos(latA * RADIANS) * Math.cos(latB * RADIANS) * sinLng * sinLng
  return 2 * EARTH_RADIUS_M * Math.asin(Math.min(1, Math.sqrt(chord)))
}

/** The same in whole centimetres, so that sums do not depend on their order. */
export function distanceCm(latA: number, lngA: number, latB: number, lngB: number): number {
  return Math.round(distanceM(latA, lngA, latB, lngB) * 100)
}

/** Initial bearing from A to B, degrees clockwise from north in [0, 360). */
export function bearingDeg(latA: number, lngA: number, latB: number, lngB: number): number {
  const deltaLng = (lngB - lngA) * RADIANS
  const cosB = Math.cos(latB * RADIANS)
  const y = Math.sin(deltaLng) * cosB
  const x =
    Math.cos(latA * RADIANS) * Math.sin(latB * RADIANS) -
    Math.sin(latA * RADIANS) * cosB * Math.cos(deltaLng)
  const degrees = Math.atan2(y, x) / RADIANS
  return degrees < 0 ? degrees + 360 : degrees
}
