/** @jsxImportSource preact */
import { Icon } from '../icons.tsx'
import { beat } from '../stores/beat.ts'
import { age } from '../stores/format.ts'
import { stream as liveStream } from '../stores/live.ts'
import type { ConnectionState, LiveStream } from '../stores/stream.ts'
import { theme, toggleTheme } from '../stores/theme.ts'
import { helpOpen } from '../stores/view.ts'

const TEXT: Readonly<Record<ConnectionState, string>> = {
  connecting: 'Connecting',
  live: 'Live',
  stale: 'Waiting',
  retrying: 'Reconnecting',
  signed_out: 'Signed out',
}

/** Where there is less room. */
const TEXT_SHORT: typeof TEXT = { ...TEXT, connecting: 'Opening', retrying: 'Retrying' }

/** What the bar shows of a page's line to the server. */
export type Line = Pick<LiveStream<string>, 'state' | 'heardMs'>

/** The bar of the live map. */
export function TopBar() {
  return <BarTools line={liveStream} />
}

/** The state of the line, and the page's own switches. */
export function BarTools({ line }: { line: Line }) {
  const other = theme.value === 'dark' ? 'light' : 'dark'
  return (
    <div class="bar-tools">
      <Connection line={line} />
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

function Connection({ line }: { line: Line }) {
  const state = line.state.value
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
      <span aria-live="polite">
        <span class="wide">{TEXT[state]}</span>
        <span class="narrow">{TEXT_SHORT[state]}</span>
      </span>
      {state === 'stale' || state === 'retrying' ? <Quiet line={line} /> : null}
    </div>
  )
}

/** How long nothing was heard; not read aloud each second. */
function Quiet({ line }: { line: Line }) {
  beat.value
  const heardMs = line.heardMs.value
  if (heardMs < 0) return null
  return (
    <span class="badge-age" aria-hidden="true">
      {age(performance.now() - heardMs)}
    </span>
  )
}
