/** @jsxImportSource preact */
import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'

import type { LiveEvent, LiveStatus } from '../../actors/model/live.ts'
import { Icon } from '../icons.tsx'
import { shortId } from '../stores/format.ts'
import { fleet } from '../stores/live.ts'
import { reveal } from '../stores/view.ts'

const SHOWN_MAX = 4
const SHOWN_MS = 7_000
const EVERY_MS = 900

type Toast = Readonly<{ id: number; event: LiveEvent; untilMs: number }>

const WORDS: Readonly<Record<LiveStatus, string>> = {
  started: 'started its delivery',
  en_route: 'is on its way',
  completed: 'delivered',
  silent: 'went silent',
}

const ICONS = { started: 'play', en_route: 'start', completed: 'check', silent: 'alert' } as const

/** The last few status events, in a corner of the map; a calm stream however fast they come. */
export function Ticker() {
  const toasts = useSignal<readonly Toast[]>([])
  useEffect(() => {
    let next = 0
    let shown = fleet.events.value.at(-1)
    const timer = setInterval(() => {
      const nowMs = performance.now()
      const left = toasts.value.filter((toast) => toast.untilMs > nowMs)
      const events = fleet.events.value
      const from = shown ? events.lastIndexOf(shown) + 1 : 0
      // Of many at once only the newest shows: the list and the figures have them all.
      const event = from < events.length ? events.at(-1) : undefined
      if (event && event !== shown) {
        shown = event
        next += 1
        left.push({ id: next, event, untilMs: nowMs + SHOWN_MS })
      }
      if (event || left.length !== toasts.value.length) toasts.value = left.slice(-SHOWN_MAX)
    }, EVERY_MS)
    return () => clearInterval(timer)
  }, [])
  return (
    <ul class="toasts" aria-label="Latest events">
      {toasts.value.map(({ id, event }) => (
        <li key={id}>
          <button
            type="button"
            class="toast"
            data-status={event.status}
            onClick={() => reveal(event.sessionId)}
          >
            <span class="toast-mark">
              <Icon name={ICONS[event.status]} />
            </span>
            <b>{shortId(event.vehicleId)}</b>
            <span class="toast-words">{WORDS[event.status]}</span>
            <span class="toast-order">{shortId(event.orderId)}</span>
          </button>
        </li>
      ))}
    </ul>
  )
}
