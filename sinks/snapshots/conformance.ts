import { describe, expect, test } from 'bun:test'

import type { SnapshotObjects } from '../../actors/kernel/snapshots.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const RACERS = 20
/** A real server on a busy machine. */
const TIMEOUT_MS = 60_000

/**
 * The suite that every store of snapshot objects must pass. `make` gives each case an empty place; what it gives again
 * for the same place is another worker's view of it.
 */
export function describeSnapshotObjects(
  name: string,
  make: () => Promise<() => SnapshotObjects>,
): void {
  const that = (
    says: string,
    run: (objects: SnapshotObjects, again: () => SnapshotObjects) => Promise<void>,
  ): void =>
    test(
      says,
      async () => {
        const view = await make()
        await run(view(), view)
      },
      TIMEOUT_MS,
    )

  describe(`snapshot objects ${name}`, () => {
    that('nothing is there at first', async (objects) => {
      expect(await objects.get('head')).toBeNull()
      expect(await objects.read('segment')).toBeNull()
      expect(await namesIn(objects)).toEqual([])
      await objects.remove([])
      await objects.remove(['segment'])
    })

    that('what was swapped in is read with its version, by others too', async (objects, again) => {
      const first = await objects.swap('head', bytes('one'), null)
      expect(await textOf(again())).toEqual(['one', first])
      const second = await again().swap('head', bytes('two'), first)
      expect(second).not.toBeNull()
      expect(second).not.toBe(first)
      expect(await textOf(objects)).toEqual(['two', second])
    })

    that('a swap that expects another version changes nothing', async (objects, again) => {
      const first = await objects.swap('head', bytes('one'), null)
      expect(await again().swap('head', bytes('other'), null)).toBeNull()
      const second = await objects.swap('head', bytes('two'), first)
      expect(await again().swap('head', bytes('other'), first)).toBeNull()
      expect(await textOf(objects)).toEqual(['two', second])
    })

    that('an expectation that was overtaken long ago never wins', async (objects, again) => {
      const versions: (string | null)[] = [null]
      for (let n = 0; n < 6; n++) {
        versions.push(await objects.swap('head', bytes(String(n)), versions.at(-1) ?? null))
      }
      for (const old of versions.slice(0, -1)) {
        expect(await again().swap('head', bytes('late'), old)).toBeNull()
        expect(await textOf(again())).toEqual(['5', versions.at(-1) ?? null])
      }
      const next = await objects.swap('head', bytes('next'), versions.at(-1) ?? null)
      expect(await textOf(again())).toEqual(['next', next])
    })

    that('of many that swap at once exactly one wins', async (objects, again) => {
      const racers = Array.from({ length: RACERS }, again)
      const versions: (string | null)[] = [null]
      for (let round = 0; round < 5; round++) {
        const expected = versions.at(-1) ?? null
        const won = await Promise.all(
          racers.map((racer, n) => racer.swap('head', bytes(`${round}-${n}`), expected)),
        )
        const winners = won.flatMap((version, n) => (version === null ? [] : [{ version, n }]))
        expect(winners).toHaveLength(1)
        versions.push(winners[0]?.version ?? null)
        expect(await textOf(objects)).toEqual([
          `${round}-${winners[0]?.n}`,
          versions.at(-1) ?? null,
        ])
      }
    })

    that('what was put is read, listed and removed', async (objects, again) => {
      const large = new Uint8Array(2_000_000).map((_, at) => (at * 31) & 0xff)
      await objects.put('0000000001-ab-0', large)
      await objects.put('0000000001-ab-1', new Uint8Array(0))
      await objects.put('0000000002-cd-0', bytes('x'))
      await objects.swap('head', bytes('one'), null)
      expect(Bun.hash((await again().read('0000000001-ab-0')) ?? '')).toBe(Bun.hash(large))
      expect((await again().read('0000000001-ab-1'))?.byteLength).toBe(0)
      const names = ['0000000001-ab-0', '0000000001-ab-1', '0000000002-cd-0']
      expect(await namesIn(again())).toEqual(names)
      await again().remove([...names.slice(0, 2), 'absent'])
      expect(await namesIn(objects)).toEqual(names.slice(2))
      expect(await objects.read('0000000001-ab-0')).toBeNull()
      expect((await textOf(objects))[0]).toBe('one')
    })
  })
}

async function textOf(objects: SnapshotObjects): Promise<[string | null, string | null]> {
  const object = await objects.get('head')
  return object ? [new TextDecoder().decode(object.bytes), object.version] : [null, null]
}

async function namesIn(objects: SnapshotObjects): Promise<readonly string[]> {
  const names: string[] = []
  for await (const name of objects.list()) names.push(name)
  return names.sort()
}
