/** @jsxImportSource preact */
import { Icon } from '../icons.tsx'
import { beat } from '../stores/beat.ts'
import { age } from '../stores/format.ts'
import { stream } from '../stores/live.ts'
import type { ConnectionState } from '../stores/stream.ts'
import { theme, toggleTheme } from '../stores/theme.ts'
import { helpOpen } from '../stores/view.ts'

const TEXT: Readonly<Record<ConnectionState, string>> = {
  connecting: 'Connecting',
  live: 'Live',
  stale: 'Waiting',
  retrying: 'Reconnecting',
  signed_out: 'Signed out',
}

/** The state of the line, and the page's own switches. */
export function TopBar() {
  const other = theme.value === 'dark' ? 'light' : 'dark'
  return (
    <div class="bar-tools">
      <Connection />
      <button
        type="button"
        class="tool"
        onClick={toggleTheme}
        aria-label={`Use the ${other} theme`}
        title={`Use the ${other} theme (t)`}
      >
        <Icon name={theme.value === 'dark' ? 'moon' : 'sun'} />
      </button>
      <button
        type="button"
        class="tool"
        onClick={() => (helpOpen.value = true)}
        aria-label="Help and keys"
        title="Help and keys (?)"
      >
        <Icon name="help" />
      </button>
    </div>
  )
}

function Connection() {
  const state = stream.state.value
  if (state === 'signed_out') {
    return (
      <a class="badge" data-state={state} href="/sign-in">
        <span class="badge-dot" />
        Sign in
      </a>
    )
  }
  return (
    <div class="badge" data-state={state}>
      <span class="badge-dot" />
      <span aria-live="polite">{TEXT[state]}</span>
      {state === 'stale' || state === 'retrying' ? <Quiet /> : null}
    </div>
  )
}

/** How long nothing was heard; not read aloud each second. */
function Quiet() {
  beat.value
  const heardMs = stream.heardMs.value
  if (heardMs < 0) return null
  return (
    <span class="badge-age" aria-hidden="true">
      {age(performance.now() - heardMs)}
    </span>
  )
}
