import { expect, test } from 'bun:test'

import { Telemetry } from '../actors/kernel/telemetry.ts'
import { prometheusText } from '../sinks/metrics/prometheus.ts'
import { bucketsOf, bucketsTogether, quantileBetween, quantileOf, valueOf } from './metric.ts'

test('reads what the server writes', () => {
  const telemetry = new Telemetry()
  telemetry.counter('orrery_taken_total', 'taken', { code: 'busy' }).add(3)
  telemetry.counter('orrery_taken_total', 'taken', { code: 'full' }).add(4)
  const histogram = telemetry.histogram('orrery_took_ms', 'took')
  for (let value = 1; value <= 100; value++) histogram.observe(value)
  telemetry.histogram('orrery_never_ms', 'never')
  const text = prometheusText(telemetry)
  expect(valueOf(text, 'orrery_taken_total')).toBe(7)
  expect(quantileOf(text, 'orrery_took_ms', 0.5)).toBe(50)
  expect(quantileOf(text, 'orrery_took_ms', 0.99)).toBe(100)
  expect(quantileOf(text, 'orrery_never_ms', 0.5)).toBeNaN()
  expect(() => valueOf(text, 'orrery_other')).toThrow('no metric orrery_other')
})

test('adds up what several processes and partitions observed between two readings', () => {
  const worker = new Telemetry()
  const of = (sink: string, partition: string) =>
    worker.histogram('orrery_took_ms', 'took', { sink, partition })
  const read = () => bucketsOf(prometheusText(worker), 'orrery_took_ms', { sink: 'silver' })
  of('silver', '0').observe(10_000, 1_000)
  const before = read()
  of('silver', '0').observe(2, 99)
  of('silver', '1').observe(2, 99)
  of('silver', '1').observe(500, 2)
  of('bronze', '1').observe(5_000, 1_000)
  const after = read()
  expect(quantileBetween(before, after, 0.5)).toBe(2)
  expect(quantileBetween(before, after, 1)).toBe(500)
  expect(quantileBetween(after, after, 0.5)).toBeNaN()
  const both = bucketsTogether([before, after])
  expect(both.get(Infinity)).toBe(1_000 + 1_200)
})
