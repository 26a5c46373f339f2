import { describe, expect, test } from 'bun:test'

import { SCALED_MUTATIONS } from './mutations-scaled.ts'
import { seedsFor } from './mutations.ts'
import { runScaledSeed } from './scaled-world.ts'

const SEEDS = 20
const MUTATION_SEEDS_MAX = 200
const TIMEOUT_MS = 240_000

/** What is said of a seed that failed: enough to see it again and to begin with. */
async function failureOf(seed: number): Promise<string | null> {
  const { violation, chronicle } = await runScaledSeed({ seed })
  if (violation === null) return null
  const command = `bun run sim --profile scaled --seed ${seed}`
  return [`seed ${seed}: ${violation}`, command, ...chronicle.slice(-40)].join('\n')
}

describe('gateways and workers in virtual time', () => {
  test(
    `${SEEDS} seeds: what was acknowledged is in every store once, whoever had its partition`,
    async () => {
      for (let seed = 1; seed <= SEEDS; seed++) expect(await failureOf(seed)).toBeNull()
    },
    TIMEOUT_MS,
  )

  test(
    'a seed gives the same run each time',
    async () => {
      const [first, second] = [await runScaledSeed({ seed: 5 }), await runScaledSeed({ seed: 5 })]
      expect(second.chronicle).toEqual(first.chronicle)
      expect(second).toEqual(first)
    },
    TIMEOUT_MS,
  )
})

describe('planted faults of several processes are found', () => {
  for (const mutation of SCALED_MUTATIONS) {
    test(
      mutation.name,
      async () => {
        let found: number | null = null
        for (const seed of seedsFor(mutation, MUTATION_SEEDS_MAX)) {
          const { violation } = await runScaledSeed({ seed, seams: mutation.plant })
          if (violation !== null) found = seed
          if (found !== null) break
        }
        expect(found).not.toBeNull()
      },
      TIMEOUT_MS,
    )
  }
})
