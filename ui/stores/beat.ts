import { signal } from '@preact/signals'

/** Goes up once a second: whoever shows an age reads it. */
export const beat = signal(0)

/** Starts the second hand, once for the page. */
export function startBeat(): void {
  setInterval(() => {
    if (document.visibilityState === 'visible') beat.value += 1
  }, 1_000)
}
