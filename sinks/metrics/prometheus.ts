import {
  Counter,
  Gauge,
  Histogram,
  type Labels,
  type Telemetry,
} from '../../actors/kernel/telemetry.ts'

/** What `/metrics` answers as its content type. */
export const PROMETHEUS_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

/** All metrics of a process in Prometheus' text format, those of one name together. */
export function prometheusText(telemetry: Telemetry): string {
  const families = new Map<string, { head: string; lines: string[] }>()
  for (const { name, help, labels, metric } of telemetry.all()) {
    const type = typeOf(metric)
    let family = families.get(name)
    if (!family) {
      const head = `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}`
      family = { head, lines: [] }
      families.set(name, family)
    }
    if (metric instanceof Histogram) family.lines.push(...histogramLines(name, labels, metric))
    else family.lines.push(line(name, labels, metric.value))
  }
  let text = ''
  for (const { head, lines } of families.values()) text += `${head}\n${lines.join('\n')}\n`
  return text
}

function typeOf(metric: Counter | Gauge | Histogram): string {
  if (metric instanceof Counter) return 'counter'
  if (metric instanceof Gauge) return 'gauge'
  // Without bounds it is a sum and a count: a summary without quantiles.
  return metric.bounds.length > 0 ? 'histogram' : 'summary'
}

function histogramLines(name: string, labels: Labels, histogram: Histogram): string[] {
  const lines: string[] = []
  let below = 0
  for (const [index, count] of histogram.counts.entries()) {
    if (histogram.bounds.length === 0) break
    below += count
    const le = number(histogram.bounds[index] ?? Infinity)
    lines.push(line(`${name}_bucket`, { ...labels, le }, below))
  }
  lines.push(line(`${name}_sum`, labels, histogram.sum))
  lines.push(line(`${name}_count`, labels, histogram.count))
  return lines
}

function line(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).map(([key, text]) => `${key}="${escapeLabel(text)}"`)
  return `${name}${pairs.length > 0 ? `{${pairs.join(',')}}` : ''} ${number(value)}`
}

function number(value: number): string {
  if (value === Infinity) return '+Inf'
  if (value === -Infinity) return '-Inf'
  return String(value)
}

function escapeHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
}

function escapeLabel(text: string): string {
  return escapeHelp(text).replaceAll('"', '\\"')
}
