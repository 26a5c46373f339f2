import { expect, test } from 'bun:test'

import { age, ago, compass, distance, figure, progress, shortId } from './format.ts'

test('ages, distances and figures read well at every size', () => {
  expect([200, 12_400, 250_000, 7_300_000, 200_000_000].map(age)).toEqual([
    'now',
    '12 s',
    '4 min',
    '2 h',
    '2 d',
  ])
  expect([ago(300), ago(2_000)]).toEqual(['just now', '2 s ago'])
  expect([0, 840, 999, 12_360, 250_000].map(distance)).toEqual([
    '0 m',
    '840 m',
    '1.0 km',
    '12.4 km',
    '250 km',
  ])
  expect([0, 0.5, 7.1, 24.31, 1234.5].map(figure)).toEqual(['0', '0.50', '7.10', '24.3', '1,235'])
})

test('headings are points of the compass, unknown ones a dash', () => {
  expect([0, 44, 180, 359, -1].map(compass)).toEqual(['N', 'NE', 'S', 'N', '–'])
})

test('long ids are cut, short ones stay', () => {
  expect(shortId('VAN-1021')).toBe('VAN-1021')
  expect(shortId('6baf18e2-0c3c-4f6e-9a43-4a1d2f5e9b10')).toBe('6baf18e2…')
})

test('progress stays within nothing and all', () => {
  expect(progress(0, 0, false)).toBe(0)
  expect(progress(250, 750, false)).toBe(0.25)
  expect(progress(10, 900, true)).toBe(1)
})
