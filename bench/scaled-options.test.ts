import { expect, test } from 'bun:test'

import { isScaledAsked, parseScaledBench } from './scaled-options.ts'

test('measures frames and single records, each with one and with two workers', () => {
  const options = parseScaledBench(['--profile', 'scaled', '--rate', '5000'])
  expect(options?.cases.map(({ name, record, workers }) => ({ name, record, workers }))).toEqual([
    { name: 'frame-1', record: 'frame', workers: 1 },
    { name: 'frame-2', record: 'frame', workers: 2 },
    { name: 'single-1', record: 'single', workers: 1 },
    { name: 'single-2', record: 'single', workers: 2 },
  ])
  expect(options?.cases[0]).toMatchObject({
    ...{ rate: 5_000, seconds: 60, partitions: 8, compression: 'zstd', framePings: 50 },
  })
})

test('takes one case, small messages and other settings', () => {
  const set = ['--set', 'ICEBERG_BATCH_AGE_MS=1000', '--set', 'LOG_LEVEL=info']
  const options = parseScaledBench(['--only', 'single-2', '--pings', '1', ...set])
  expect(options?.cases).toHaveLength(1)
  expect(options?.cases[0]).toMatchObject({
    ...{ name: 'single-2', rate: null, framePings: 1, sockets: 256, framesInFlight: 1 },
    settings: { ICEBERG_BATCH_AGE_MS: '1000', LOG_LEVEL: 'info' },
  })
})

test('says what is wrong with a command line', () => {
  expect(() => parseScaledBench(['--only', 'frames50'])).toThrow('--only is "frames50"')
  expect(() => parseScaledBench(['--compression', 'snappy'])).toThrow('none, gzip or zstd')
  expect(() => parseScaledBench(['--set', 'nothing'])).toThrow('NAME=VALUE')
  expect(() => parseScaledBench(['--scenario', 'trips'])).toThrow('--scenario')
  expect(() => isScaledAsked(['--profile', 'tiny'])).toThrow('embedded or scaled')
  expect(isScaledAsked(['--seconds', '3'])).toBe(false)
  expect(isScaledAsked(['--seconds', '3', '--profile', 'scaled'])).toBe(true)
  expect(parseScaledBench(['--help'])).toBeNull()
})
