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
