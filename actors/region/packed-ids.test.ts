import { expect, test } from 'bun:test'

import fc from 'fast-check'

import { PackedIds } from './packed-ids.ts'

test('packed ids are those of a set, whatever characters they hold', () => {
  const id = fc
    .array(fc.constantFrom('a', 'b', '\u0000', '\uffff', '😀', 'é', '\n'), { maxLength: 4 })
    .map((characters) => characters.join(''))
  fc.assert(
    fc.property(fc.array(id), fc.array(id), fc.array(id), (first, later, asked) => {
      const set = new Set(first)
      const ids = new PackedIds(set)
      for (const one of later) {
        if (!set.has(one)) ids.add(one)
        set.add(one)
      }
      expect(ids.size).toBe(set.size)
      for (const one of [...asked, ...first, ...later]) expect(ids.has(one)).toBe(set.has(one))
    }),
  )
})
