/** Seeds that failed once, newest first, with what they found. They run before all others. */
export const SEEDS_THAT_FAILED: readonly Readonly<{ seed: number; found: string }>[] = [
  { seed: 3435, found: 'silver lost writes above the checkpoint, below the floor of old states' },
  { seed: 59, found: 'a timer that the disk refused was never sent again' },
  { seed: 6, found: 'a frame of more facts than a sink holds stopped the actors' },
]
