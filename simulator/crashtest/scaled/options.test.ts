import { expect, test } from 'bun:test'

import { UsageError } from '../../options.ts'
import { profileOf } from '../options.ts'
import { parseScaledOptions } from './options.ts'

const parse = (...args: string[]) => parseScaledOptions(['--profile', 'scaled', ...args], 1_234_567)

test('a profile is embedded unless it is scaled', () => {
  expect(profileOf(['--kills', '3'])).toBe('embedded')
  expect(profileOf(['--kills', '3', '--profile', 'scaled'])).toBe('scaled')
  expect(() => profileOf(['--profile', 'large'])).toThrow(UsageError)
})

test('options have defaults, and those of movement another rate', () => {
  expect(parse()).toMatchObject({ kills: 50, seed: 234_567, workers: 3, gateways: 2, rate: 2_000 })
  expect(parse('--scenario', 'movement')).toMatchObject({ scenario: 'movement', rate: 20_000 })
  expect(parse('--only', 'worker kill -9, line silent')?.only).toEqual([
    'worker kill -9',
    'line silent',
  ])
  expect(parse('--help')).toBeNull()
})

test('what is no option says what would be', () => {
  for (const wrong of [['--only', 'earthquake'], ['--scenario', 'x'], ['--workers', '0'], ['-x']]) {
    expect(() => parse(...wrong)).toThrow(UsageError)
  }
})
