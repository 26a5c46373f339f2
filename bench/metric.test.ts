import { expect, test } from 'bun:test'

import { Telemetry } from '../actors/kernel/telemetry.ts'
import { prometheusText } from '../sinks/metrics/prometheus.ts'
import { quantileOf, valueOf } from './metric.ts'

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
