/**
 * A vehicle's way from where it is drawn to its newest fix, in Web Mercator units (0 to 1 over the
 * world). It is drawn up to one interval behind and never ahead of the fix.
 */
export type Motion = {
  fromX: number
  fromY: number
  toX: number
  toY: number
  fromHeading: number
  toHeading: number
  /** When the newest fix came, on the page's own clock. */
  startedMs: number
  /** How long the way takes: the vehicle's usual interval between fixes. */
  takesMs: number
  intervalMs: number
}

const INTERVAL_MS_MIN = 200
const INTERVAL_MS_MAX = 10_000
const INTERVAL_MS_USUAL = 1_000
/** Farther than this in one interval is no driving: it is drawn as a jump (about 1.5 km). */
const JUMP = 1.5 / 40_000

/** A vehicle that stands at its first known fix. */
export function standing(x: number, y: number, headingDeg: number, nowMs: number): Motion {
  return {
    fromX: x,
    fromY: y,
    toX: x,
    toY: y,
    fromHeading: headingDeg,
    toHeading: headingDeg,
    startedMs: nowMs,
    takesMs: 0,
    intervalMs: INTERVAL_MS_USUAL,
  }
}

/** Sets out from where the vehicle is drawn now to a newer fix. */
export function moveTo(
  motion: Motion,
  fix: Readonly<{ x: number; y: number; headingDeg: number; nowMs: number; smooth: boolean }>,
): void {
  const gapMs = Math.min(INTERVAL_MS_MAX, Math.max(INTERVAL_MS_MIN, fix.nowMs - motion.startedMs))
  motion.intervalMs += (gapMs - motion.intervalMs) * 0.3
  const part = progressOf(motion, fix.nowMs)
  const x = motion.fromX + (motion.toX - motion.fromX) * part
  const y = motion.fromY + (motion.toY - motion.fromY) * part
  const heading = headingOf(motion, fix.nowMs)
  const jumps = Math.abs(fix.x - x) > JUMP || Math.abs(fix.y - y) > JUMP
  const glides = fix.smooth && !jumps
  motion.fromX = glides ? x : fix.x
  motion.fromY = glides ? y : fix.y
  motion.toX = fix.x
  motion.toY = fix.y
  motion.toHeading = fix.headingDeg < 0 ? motion.toHeading : fix.headingDeg
  motion.fromHeading = glides && heading >= 0 ? heading : motion.toHeading
  motion.startedMs = fix.nowMs
  motion.takesMs = glides ? motion.intervalMs * 1.05 : 0
}

/** How much of the way is done: 0 at the start, 1 at the fix and for ever after. */
export function progressOf(motion: Motion, nowMs: number): number {
  if (motion.takesMs <= 0) return 1
  const part = (nowMs - motion.startedMs) / motion.takesMs
  return part <= 0 ? 0 : part >= 1 ? 1 : part
}

/** The heading to draw: it turns the short way round, within the first 400 ms; −1 when unknown. */
export function headingOf(motion: Motion, nowMs: number): number {
  if (motion.toHeading < 0) return -1
  const turn = ((motion.toHeading - motion.fromHeading + 540) % 360) - 180
  const turnMs = Math.min(400, motion.takesMs)
  const part = turnMs <= 0 ? 1 : Math.min(1, Math.max(0, (nowMs - motion.startedMs) / turnMs))
  return (motion.fromHeading + turn * part + 360) % 360
}

/** Longitude to Web Mercator x, 0 to 1. */
export function mercatorX(lng: number): number {
  return lng / 360 + 0.5
}

/** Latitude to Web Mercator y, 0 to 1 from north to south. */
export function mercatorY(lat: number): number {
  const sine = Math.sin((Math.max(-85.0511, Math.min(85.0511, lat)) * Math.PI) / 180)
  return 0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI)
}
