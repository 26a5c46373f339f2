import { describe, expect, test } from 'bun:test'

import { isNotFound, type Storage } from './storage.ts'

const bytes = (text: string) => new TextEncoder().encode(text)

/** A storage and an empty folder in it, as a path without a slash at its end. */
export type StorageUnderTest = Readonly<{ storage: Storage; folder: string }>

/** The suite that every storage must pass. `make` gives each case an empty folder of its own. */
export function describeStorage(name: string, make: () => Promise<StorageUnderTest>): void {
  const that = (
    says: string,
    run: (under: StorageUnderTest & ReturnType<typeof readers>) => Promise<void>,
  ): void =>
    test(
      says,
      async () => {
        const under = await make()
        await run({ ...under, ...readers(under.storage) })
      },
      60_000,
    )

  describe(`storage ${name}`, () => {
    that('what was written is read, and replaced', async ({ storage, folder, text }) => {
      await storage.write(`${folder}/data/a`, bytes('one'))
      expect(await text(`${folder}/data/a`)).toBe('one')
      await storage.replace(`${folder}/hint`, bytes('1'))
      await storage.replace(`${folder}/hint`, bytes('2'))
      expect(await text(`${folder}/hint`)).toBe('2')
      await storage.settle(`${folder}/hint`)
    })

    that('a file of megabytes comes back whole, and an empty one empty', async (under) => {
      const { storage, folder } = under
      const large = new Uint8Array(3_000_000).map((_, at) => (at * 31) & 0xff)
      await storage.write(`${folder}/large`, large)
      expect(Bun.hash(await storage.read(`${folder}/large`))).toBe(Bun.hash(large))
      await storage.write(`${folder}/empty`, new Uint8Array())
      expect((await storage.read(`${folder}/empty`)).length).toBe(0)
    })

    that('of many that create one name exactly one does', async ({ storage, folder, text }) => {
      for (let round = 0; round < 5; round++) {
        const path = `${folder}/v${round}`
        const outcomes = await Promise.all(
          Array.from({ length: 8 }, (_, at) => storage.create(path, bytes(String(at)))),
        )
        expect(outcomes.filter(Boolean)).toHaveLength(1)
        expect(await text(path)).toBe(String(outcomes.indexOf(true)))
        expect(await storage.create(path, bytes('late'))).toBe(false)
      }
    })

    that('a name that was removed can be created again', async ({ storage, folder }) => {
      expect(await storage.create(`${folder}/v1`, bytes('1'))).toBe(true)
      await storage.remove([`${folder}/v1`])
      expect(await storage.create(`${folder}/v1`, bytes('2'))).toBe(true)
    })

    that('files are listed by the beginning of their path', async ({ storage, folder, paths }) => {
      const names = ['t/data/a', 't/data/b c%20é+&', 't/hint', 't2/x']
      for (const name of names) await storage.write(`${folder}/${name}`, bytes(name))
      const under = names.map((name) => `${folder}/${name}`)
      expect(await paths(`${folder}/t/`)).toEqual(under.slice(0, 3))
      expect(await paths(`${folder}/t/h`)).toEqual(under.slice(2, 3))
      expect(await paths(`${folder}/absent/`)).toEqual([])
      for await (const file of storage.list(`${folder}/t/data/b`)) {
        expect(file.bytes).toBe(bytes('t/data/b c%20é+&').length)
        expect(Number.isFinite(file.modifiedMs)).toBe(true)
      }
    })

    that(
      'files are removed, and absent ones are no failure',
      async ({ storage, folder, paths }) => {
        const all = ['a', 'b c%20é+&', 'd'].map((name) => `${folder}/${name}`)
        for (const path of all) await storage.write(path, bytes('x'))
        await storage.remove([...all.slice(0, 2), `${folder}/absent`])
        expect(await paths(`${folder}/`)).toEqual(all.slice(2))
        await storage.remove([])
      },
    )

    that('an absent file is not found', async ({ storage, folder }) => {
      const absent = await storage.read(`${folder}/absent`).catch((thrown: unknown) => thrown)
      expect(isNotFound(absent)).toBe(true)
    })
  })
}

function readers(storage: Storage) {
  return {
    text: async (path: string): Promise<string> =>
      new TextDecoder().decode(await storage.read(path)),
    paths: async (prefix: string): Promise<readonly string[]> => {
      const found: string[] = []
      for await (const { path } of storage.list(prefix)) found.push(path)
      return found.sort()
    },
  }
}
