import { probeLive } from './api.ts'
import type { LiveStream, StreamWorld } from './stream.ts'

/** The browser as a stream sees it: an EventSource with these events, and a look why it was refused. */
export function browserWorld<Event extends string>(
  path: string,
  events: readonly Event[],
): StreamWorld<Event> {
  return {
    open(url, handlers) {
      const source = new EventSource(url)
      source.addEventListener('open', () => handlers.opened())
      source.addEventListener('error', () => handlers.failed())
      for (const event of events) {
        source.addEventListener(event, (message: MessageEvent<string>) => {
          // An event without an id of its own: the browser repeats the last one.
          handlers.message(event, message.lastEventId, message.data)
        })
      }
      return source
    },
    probe: () => probeLive(path),
    now: () => performance.now(),
    random: Math.random,
    after(delayMs, run) {
      const timer = setTimeout(run, delayMs)
      return () => clearTimeout(timer)
    },
  }
}

/** Opens a stream for as long as the page is there, and tries at once when network or tab come back. */
export function keepOpen<Event extends string>(stream: LiveStream<Event>): void {
  stream.start()
  addEventListener('online', () => stream.wake())
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible') stream.wake()
  })
  addEventListener('pagehide', () => stream.stop())
  addEventListener('pageshow', (event: PageTransitionEvent) => {
    if (event.persisted) stream.start()
  })
}
