import { expect, test } from 'bun:test'

import { makeAtlas } from './atlas.ts'
import { lotsOf } from './lots.ts'

const atlas = makeAtlas()
const CENTRE = { x0: 0.56588, y0: 0.38598, x1: 0.56592, y1: 0.38602 }

test('the ground between the streets is found, and every plot lies within its block', () => {
  const blocks = atlas.blocks(CENTRE)
  expect(blocks.length).toBeGreaterThan(20)
  let plots = 0
  for (const { ring, box } of blocks) {
    for (const lot of lotsOf(ring)) {
      plots += 1
      for (let index = 0; index < lot.length; index += 2) {
        expect(lot[index]).toBeGreaterThanOrEqual(box.x0)
        expect(lot[index]).toBeLessThanOrEqual(box.x1)
        expect(lot[index + 1]).toBeGreaterThanOrEqual(box.y0)
        expect(lot[index + 1]).toBeLessThanOrEqual(box.y1)
      }
    }
  }
  expect(plots).toBeGreaterThan(blocks.length)
})

test('every named street is long enough to be one line', () => {
  expect(atlas.named.length).toBeGreaterThan(500)
  for (const { name, line } of atlas.named) {
    expect(name).not.toBe('')
    expect(line.length).toBeGreaterThanOrEqual(4)
  }
})
