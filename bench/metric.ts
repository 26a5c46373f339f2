/** One value from a server's `/metrics`; of a histogram a quantile, as the upper bound of its bucket. */
export async function readMetric(port: number, name: string, quantile?: number): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`)
  const text = await response.text()
  return quantile === undefined ? valueOf(text, name) : quantileOf(text, name, quantile)
}

/** The sum over all labels. */
export function valueOf(text: string, name: string): number {
  const pattern = new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'gm')
  const found = [...text.matchAll(pattern)]
  if (found.length === 0) throw new Error(`the server has no metric ${name}`)
  return found.reduce((sum, [, value]) => sum + Number(value), 0)
}

/** The upper bound of the bucket in which a quantile lies; NaN when nothing was observed. */
export function quantileOf(text: string, name: string, quantile: number): number {
  const pattern = new RegExp(`^${name}_bucket\\{le="([^"]+)"\\} (\\S+)$`, 'gm')
  const buckets = [...text.matchAll(pattern)].map(([, le, below]) => ({
    bound: le === '+Inf' ? Infinity : Number(le),
    below: Number(below),
  }))
  const wanted = Math.ceil((buckets.at(-1)?.below ?? 0) * quantile)
  if (wanted === 0) return Number.NaN
  return buckets.find(({ below }) => below >= wanted)?.bound ?? Number.NaN
}

/** How many observations lie at or below each bound, over all series of a histogram that have these labels. */
export function bucketsOf(
  text: string,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): ReadonlyMap<number, number> {
  const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`)
  const sums = new Map<number, number>()
  for (const [, series = '', value] of text.matchAll(
    new RegExp(`^${name}_bucket\\{([^}]*)\\} (\\S+)$`, 'gm'),
  )) {
    const pairs = series.split(',')
    if (!wanted.every((pair) => pairs.includes(pair))) continue
    const le = /(?:^|,)le="([^"]+)"/.exec(series)?.[1] ?? ''
    const bound = le === '+Inf' ? Infinity : Number(le)
    sums.set(bound, (sums.get(bound) ?? 0) + Number(value))
  }
  return sums
}

/** The bound below which a share of the observations lies that came between two readings; NaN when none came. */
export function quantileBetween(
  before: ReadonlyMap<number, number>,
  after: ReadonlyMap<number, number>,
  quantile: number,
): number {
  const came = [...after]
    .map(([bound, count]) => ({ bound, below: count - (before.get(bound) ?? 0) }))
    .sort((a, b) => a.bound - b.bound)
  const wanted = Math.ceil((came.at(-1)?.below ?? 0) * quantile)
  if (wanted === 0) return Number.NaN
  return came.find(({ below }) => below >= wanted)?.bound ?? Number.NaN
}

/** Adds up histograms of several processes. */
export function bucketsTogether(
  all: readonly ReadonlyMap<number, number>[],
): ReadonlyMap<number, number> {
  const sums = new Map<number, number>()
  for (const one of all)
    for (const [bound, count] of one) sums.set(bound, (sums.get(bound) ?? 0) + count)
  return sums
}
