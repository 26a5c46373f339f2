/** Days from 1970-01-01 to a Gregorian date. After Howard Hinnant's `days_from_civil`. */
function daysFromCivil(year: number, month: number, day: number): number {
  const shifted = month <= 2 ? year - 1 : year
  const era = Math.floor(shifted / 400)
  const yearOfEra = shifted - era * 400
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1
  const dayOfEra =
    yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear
  return era * 146_097 + dayOfEra - 719_468
}

const DAYS_IN_MONTH = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

function daysInMonth(year: number, month: number): number {
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
  return month === 2 && leap ? 29 : (DAYS_IN_MONTH[month - 1] ?? 0)
}

/** The number that `length` decimal digits from `from` on make, or NaN. */
function digits(text: string, from: number, length: number): number {
  let value = 0
  for (let index = from; index < from + length; index++) {
    const digit = text.charCodeAt(index) - 48
    if (!(digit >= 0 && digit <= 9)) return Number.NaN
    value = value * 10 + digit
  }
  return value
}

const DASH = 45
const COLON = 58
const SPACE = 32
const LETTER_T = 84
const LETTER_Z = 90
const LOWER = 32

/** Minutes east of UTC that the rest of the text states; NaN when it is no zone. */
function zoneMinutes(text: string, from: number): number {
  if (from === text.length) return 0
  const sign = text.charCodeAt(from)
  if ((sign & ~LOWER) === LETTER_Z) return from + 1 === text.length ? 0 : Number.NaN
  if (sign !== 43 && sign !== DASH) return Number.NaN
  // An offset may be followed by a Z: a known producer of the field writes `+00:00Z`.
  const ended = (text.charCodeAt(text.length - 1) & ~LOWER) === LETTER_Z
  const end = ended ? text.length - 1 : text.length
  const length = end - from - 1
  const hours = digits(text, from + 1, 2)
  let minutes = 0
  if (length === 5 && text.charCodeAt(from + 3) === COLON) minutes = digits(text, from + 4, 2)
  else if (length === 4) minutes = digits(text, from + 3, 2)
  else if (length !== 2) return Number.NaN
  if (!(hours <= 18 && minutes <= 59)) return Number.NaN
  return (sign === DASH ? -1 : 1) * (hours * 60 + minutes)
}

/**
 * Microseconds since 1970 UTC of an ISO 8601 time, or null when it is none. No zone means UTC (that is
 * what vehicles send); `Z` and offsets are obeyed; 0 to 9 digits of fraction, those beyond six are cut.
 * `T` may be a space. A date that does not exist (2026-02-30) is refused, a leap second too.
 */
export function parseEventTimeUs(text: string): number | null {
  if (text.length < 19 || text.length > 36) return null
  const separator = text.charCodeAt(10)
  if (text.charCodeAt(4) !== DASH || text.charCodeAt(7) !== DASH) return null
  if ((separator & ~LOWER) !== LETTER_T && separator !== SPACE) return null
  if (text.charCodeAt(13) !== COLON || text.charCodeAt(16) !== COLON) return null
  const year = digits(text, 0, 4)
  const month = digits(text, 5, 2)
  const day = digits(text, 8, 2)
  const hour = digits(text, 11, 2)
  const minute = digits(text, 14, 2)
  const second = digits(text, 17, 2)
  // Written so that NaN, from a character that is no digit, fails too.
  if (!(month >= 1 && month <= 12 && day >= 1 && day <= daysInMonth(year, month))) return null
  if (!(hour <= 23 && minute <= 59 && second <= 59)) return null

  let at = 19
  let fractionUs = 0
  if (text.charCodeAt(at) === 46) {
    let scale = 100_000
    const first = ++at
    for (; at < text.length; at++) {
      const digit = text.charCodeAt(at) - 48
      if (!(digit >= 0 && digit <= 9)) break
      fractionUs += digit * scale
      scale = scale >= 10 ? scale / 10 : 0
    }
    if (at === first || at - first > 9) return null
  }
  const zone = zoneMinutes(text, at)
  if (Number.isNaN(zone)) return null
  const seconds = daysFromCivil(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second
  return (seconds - zone * 60) * 1_000_000 + fractionUs
}

/** ISO text in UTC with microseconds, as PacketPulse's vehicles write it: no zone. */
export function naiveIsoUs(us: number): string {
  const whole = Math.floor(us / 1_000_000)
  const fraction = String(us - whole * 1_000_000).padStart(6, '0')
  return `${new Date(whole * 1_000).toISOString().slice(0, 19)}.${fraction}`
}
