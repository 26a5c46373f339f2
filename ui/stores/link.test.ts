import { expect, test } from 'bun:test'

import { formatLink, parseLink, type View } from './link.ts'

const EMPTY: View = { camera: null, selected: null, follow: false, query: '', statuses: [] }

test('a view comes back from its own link', () => {
  const view: View = {
    camera: { zoom: 14, lat: 37.98381, lng: 23.72751 },
    selected: 'a b/&=#ü',
    follow: true,
    query: 'van 12 & more',
    statuses: ['en_route', 'silent'],
  }
  expect(parseLink(formatLink(view))).toEqual(view)
  expect(formatLink(EMPTY)).toBe('')
  expect(parseLink('')).toEqual(EMPTY)
})

test('nonsense in a link is left out, what makes sense stays', () => {
  expect(parseLink('#map=99/1/2&status=flying,silent&session=%E0%A4%A&q=x')).toEqual({
    ...EMPTY,
    query: 'x',
    statuses: ['silent'],
  })
  expect(parseLink('#map=12/abc/23').camera).toBeNull()
  expect(parseLink('#map=12/37.9').camera).toBeNull()
})

test('nobody is followed without a selection', () => {
  expect(formatLink({ ...EMPTY, follow: true })).toBe('')
})
