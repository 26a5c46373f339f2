/** What a log line may carry: flat JSON values. */
export type LogFields = Readonly<Record<string, unknown>>
export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** One JSON line per fact worth knowing, never per ping. */
export interface Log {
  debug(fields: LogFields, message: string): void
  info(fields: LogFields, message: string): void
  warn(fields: LogFields, message: string): void
  error(fields: LogFields, message: string): void
}

const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']

/** A log that writes JSON lines of `level` and above to `write`. */
export function jsonLog(level: LogLevel, write: (line: string) => void, nowMs: () => number): Log {
  const lowest = LEVELS.indexOf(level)
  const at =
    (own: LogLevel) =>
    (fields: LogFields, message: string): void => {
      if (LEVELS.indexOf(own) < lowest) return
      const time = new Date(nowMs()).toISOString()
      write(JSON.stringify({ time, level: own, message, ...fields }))
    }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

/** A log that says nothing, for tests that do not look at it. */
export const silentLog: Log = jsonLog(
  'error',
  () => {},
  () => 0,
)

export type Labels = Readonly<Record<string, string>>

/** A value that only grows. */
export class Counter {
  value = 0
  add(by = 1): void {
    this.value += by
  }
}

/** A value that is set, or read when asked. */
export class Gauge {
  #read: () => number = () => 0
  set(value: number): void {
    this.#read = () => value
  }
  from(read: () => number): void {
    this.#read = read
  }
  get value(): number {
    return this.#read()
  }
}

/** Counts observations in fixed buckets; quantiles are upper bounds of a bucket. */
export class Histogram {
  readonly bounds: readonly number[]
  readonly counts: number[]
  sum = 0
  count = 0

  constructor(bounds: readonly number[]) {
    this.bounds = bounds
    this.counts = new Array<number>(bounds.length + 1).fill(0)
  }

  observe(value: number, times = 1): void {
    let low = 0
    let high = this.bounds.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (value <= (this.bounds[middle] ?? Infinity)) high = middle
      else low = middle + 1
    }
    this.counts[low] = (this.counts[low] ?? 0) + times
    this.sum += value * times
    this.count += times
  }

  /** The bound under which the share `quantile` (0 to 1) of the observations lies; 0 when there are none. */
  quantile(quantile: number): number {
    const wanted = Math.ceil(this.count * quantile)
    let seen = 0
    for (const [index, count] of this.counts.entries()) {
      seen += count
      if (count > 0 && seen >= wanted) return this.bounds[index] ?? this.bounds.at(-1) ?? 0
    }
    return 0
  }
}

/** Milliseconds from a tenth to a minute, three steps a decade. */
export const LATENCY_BOUNDS_MS: readonly number[] = [
  0.1, 0.2, 0.5, 1, 2, 3, 5, 7, 10, 15, 20, 25, 35, 50, 75, 100, 150, 200, 250, 350, 500, 750,
  1_000, 2_000, 5_000, 10_000, 30_000, 60_000,
]

type Metric = Counter | Gauge | Histogram
type Registered = Readonly<{ name: string; help: string; labels: Labels; metric: Metric }>

/** All metrics of a process, by name and labels; the same name and labels give the same metric. */
export class Telemetry {
  #metrics = new Map<string, Registered>()
  #labels: Labels = {}

  /** The same metrics, each registered through it with these labels besides. */
  labelled(labels: Labels): Telemetry {
    const view = new Telemetry()
    view.#metrics = this.#metrics
    view.#labels = { ...this.#labels, ...labels }
    return view
  }

  counter(name: string, help: string, labels: Labels = {}): Counter {
    return this.#get(name, help, labels, Counter, () => new Counter())
  }

  gauge(name: string, help: string, labels: Labels = {}): Gauge {
    return this.#get(name, help, labels, Gauge, () => new Gauge())
  }

  histogram(
    name: string,
    help: string,
    labels: Labels = {},
    bounds = LATENCY_BOUNDS_MS,
  ): Histogram {
    return this.#get(name, help, labels, Histogram, () => new Histogram(bounds))
  }

  /** Everything registered, in order of registration. */
  *all(): Iterable<Registered> {
    yield* this.#metrics.values()
  }

  #get<M extends Metric>(
    name: string,
    help: string,
    own: Labels,
    kind: new (...args: never[]) => M,
    make: () => M,
  ): M {
    const labels = { ...this.#labels, ...own }
    const key = `${name}${JSON.stringify(labels)}`
    const found = this.#metrics.get(key)
    if (found?.metric instanceof kind) return found.metric
    const metric = make()
    this.#metrics.set(key, { name, help, labels, metric })
    return metric
  }
}
