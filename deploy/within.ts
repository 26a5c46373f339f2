import { systemClock } from '../actors/kernel/clock.ts'

/** Whether the work was done in time; what it throws is thrown. */
export async function within(work: Promise<unknown>, ms: number): Promise<boolean> {
  let cancel = (): void => {}
  const late = new Promise<boolean>((resolve) => {
    cancel = systemClock.after(ms, () => resolve(false))
  })
  const done = await Promise.race([work.then(() => true), late])
  cancel()
  return done
}
