import { describe, expect, test } from 'bun:test'

import { type Profile, RelayWorld } from './world.ts'

/** 300 of each pass as well. */
const SEEDS = 20

describe.each<Profile>(['embedded', 'kafka', 'kafka frames'])('a core that is %s', (profile) => {
  test('has each acknowledged message once, whatever is cut, silent, busy or killed', async () => {
    let lines = 0
    let messages = 0
    for (let seed = 1; seed <= SEEDS; seed++) {
      const outcome = await new RelayWorld(seed, profile).run().catch((cause: unknown) => {
        throw new Error(`seed ${seed} of ${profile}`, { cause })
      })
      const { acknowledged, uncertain, kept } = outcome
      const known = new Set(kept)
      const lost = [...acknowledged].filter((mark) => !known.has(mark))
      const invented = kept.filter((mark) => !acknowledged.has(mark) && !uncertain.has(mark))
      const double = kept.length - known.size
      expect({ seed, lost, invented, double }).toEqual({ seed, lost: [], invented: [], double: 0 })
      lines += outcome.lines
      messages += acknowledged.size
    }
    // The faults were there.
    expect(lines).toBeGreaterThan(SEEDS * 5)
    expect(messages).toBeGreaterThan(SEEDS * 20)
  })
})
