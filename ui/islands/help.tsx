/** @jsxImportSource preact */
import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'

import { Icon } from '../icons.tsx'
import { helpOpen } from '../stores/view.ts'

/** Keys with what they do. */
export type Keys = readonly (readonly [string, string])[]

const KEYS: Keys = [
  ['/', 'Search'],
  ['↑ ↓', 'Move in the list'],
  ['Enter', 'Select the vehicle'],
  ['f', 'Follow it, or let go'],
  ['Esc', 'Clear selection, then search'],
  ['a', 'Show the whole fleet'],
  ['+ −', 'Zoom, when the map has the focus'],
  ['t', 'Dark or light'],
  ['?', 'This help'],
]

/** Keys and signs of the live map. */
export function Help() {
  return (
    <HelpDialog keys={KEYS}>
      A vehicle fades when three of its intervals pass without a fix, and turns grey when it is
      silent for long. It is drawn up to one interval behind its newest fix, never ahead. The trail
      goes from red (slow) to green (60 km/h).
    </HelpDialog>
  )
}

/** Keys and a note, in a dialog. */
export function HelpDialog({ keys, children }: { keys: Keys; children: ComponentChildren }) {
  const box = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    if (helpOpen.value) box.current?.showModal()
    else box.current?.close()
  }, [helpOpen.value])
  return (
    <dialog
      ref={box}
      class="help"
      aria-labelledby="help-title"
      onClose={() => (helpOpen.value = false)}
      onClick={(event) => {
        if (event.target === box.current) helpOpen.value = false
      }}
    >
      <header class="card-head">
        <h2 id="help-title">Keys</h2>
        <button
          type="button"
          class="tool"
          aria-label="Close"
          onClick={() => (helpOpen.value = false)}
        >
          <Icon name="close" />
        </button>
      </header>
      <dl class="keys">
        {keys.map(([key, text]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
      <div class="card-note">{children}</div>
    </dialog>
  )
}
