import { describe, expect, test } from 'bun:test'

import { MUTATIONS, seedsFor } from './mutations.ts'
import { SEEDS_THAT_FAILED } from './seeds.ts'
import { runSeed } from './world.ts'

const SEEDS = 200
const MUTATION_SEEDS_MAX = 1_000
const TIMEOUT_MS = 240_000

/** What is said of a seed that failed: enough to see it again and to begin with. */
async function failureOf(seed: number): Promise<string | null> {
  const { violation, chronicle } = await runSeed({ seed })
  if (violation === null) return null
  const command = `bun run sim --seed ${seed}`
  return [`seed ${seed}: ${violation}`, command, ...chronicle.slice(-40)].join('\n')
}

describe('the whole process in virtual time', () => {
  test(
    'seeds that once failed, newest first',
    async () => {
      for (const { seed } of SEEDS_THAT_FAILED) expect(await failureOf(seed)).toBeNull()
    },
    TIMEOUT_MS,
  )

  test(
    `${SEEDS} seeds: what was acknowledged is in every store once, and the stores agree`,
    async () => {
      for (let seed = 1; seed <= SEEDS; seed++) expect(await failureOf(seed)).toBeNull()
    },
    TIMEOUT_MS,
  )

  test('a seed gives the same run each time', async () => {
    const [first, second] = [await runSeed({ seed: 5 }), await runSeed({ seed: 5 })]
    expect(second.chronicle).toEqual(first.chronicle)
    expect(second).toEqual(first)
  })
})

describe('planted faults are found', () => {
  for (const mutation of MUTATIONS) {
    test(
      mutation.name,
      async () => {
        let found: number | null = null
        for (const seed of seedsFor(mutation, MUTATION_SEEDS_MAX)) {
          const { violation } = await runSeed({ seed, seams: mutation.plant })
          if (violation !== null) found = seed
          if (found !== null) break
        }
        expect(found).not.toBeNull()
      },
      TIMEOUT_MS,
    )
  }
})
