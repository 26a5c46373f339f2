import { expect, test } from 'bun:test'

import { Telemetry } from '../../actors/kernel/telemetry.ts'
import { prometheusText } from './prometheus.ts'

test('counters and gauges are a line each, those of one name under one head', () => {
  const telemetry = new Telemetry()
  telemetry.counter('orrery_rows_total', 'Rows stored', { sink: 'a' }).add(3)
  telemetry.gauge('orrery_lag_rows', 'Rows waiting').set(1.5)
  telemetry.counter('orrery_rows_total', 'Rows stored', { sink: 'b', partition: '0' }).add(7)
  expect(prometheusText(telemetry)).toBe(
    [
      '# HELP orrery_rows_total Rows stored',
      '# TYPE orrery_rows_total counter',
      'orrery_rows_total{sink="a"} 3',
      'orrery_rows_total{sink="b",partition="0"} 7',
      '# HELP orrery_lag_rows Rows waiting',
      '# TYPE orrery_lag_rows gauge',
      'orrery_lag_rows 1.5',
      '',
    ].join('\n'),
  )
})

test('a histogram has buckets that add up, its sum and its count', () => {
  const telemetry = new Telemetry()
  const histogram = telemetry.histogram('took_ms', 'Time', { sink: 'a' }, [0.5, 10])
  for (const value of [0.1, 0.5, 3, 10, 11, 700]) histogram.observe(value)
  expect(prometheusText(telemetry)).toBe(
    [
      '# HELP took_ms Time',
      '# TYPE took_ms histogram',
      'took_ms_bucket{sink="a",le="0.5"} 2',
      'took_ms_bucket{sink="a",le="10"} 4',
      'took_ms_bucket{sink="a",le="+Inf"} 6',
      'took_ms_sum{sink="a"} 724.6',
      'took_ms_count{sink="a"} 6',
      '',
    ].join('\n'),
  )
})

test('texts are escaped and odd values have their names', () => {
  const telemetry = new Telemetry()
  telemetry.gauge('a', 'back\\slash "quote"\nline', { path: 'C:\\ "x"\ny' }).set(-Infinity)
  telemetry.gauge('b', '').set(NaN)
  expect(prometheusText(telemetry)).toBe(
    [
      '# HELP a back\\\\slash "quote"\\nline',
      '# TYPE a gauge',
      'a{path="C:\\\\ \\"x\\"\\ny"} -Inf',
      '# HELP b ',
      '# TYPE b gauge',
      'b NaN',
      '',
    ].join('\n'),
  )
})

test('no metrics are no text', () => {
  expect(prometheusText(new Telemetry())).toBe('')
})

test('a histogram without bounds is a summary: its sum and its count', () => {
  const telemetry = new Telemetry()
  const sizes = telemetry.histogram('http_response_size_bytes', 'Bytes', { handler: '/' }, [])
  for (const bytes of [7, 5]) sizes.observe(bytes)
  expect(prometheusText(telemetry)).toBe(
    [
      '# HELP http_response_size_bytes Bytes',
      '# TYPE http_response_size_bytes summary',
      'http_response_size_bytes_sum{handler="/"} 12',
      'http_response_size_bytes_count{handler="/"} 2',
      '',
    ].join('\n'),
  )
})
