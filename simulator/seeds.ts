/** Seeds that failed once, newest first, with what they found. They run before all others. */
export const SEEDS_THAT_FAILED: readonly Readonly<{ seed: number; found: string }>[] = [
  { seed: 37, found: 'a frame of more facts than a sink holds stopped the actors' },
  { seed: 48, found: 'a timer that the disk refused was never sent again' },
  { seed: 4, found: 'timers on their way kept all actors awake, and so nobody got a turn' },
  { seed: 29, found: 'a replay that woke too many actors waited for ever' },
  { seed: 1, found: 'an alert said that it had been due before its silence began' },
]
