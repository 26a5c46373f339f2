/** @jsxImportSource preact */
import { useSignal } from '@preact/signals'

import { Icon } from '../icons.tsx'
import { setDemo } from '../stores/api.ts'
import { fleet, stream } from '../stores/live.ts'

/** What stands over an empty map: how to connect a vehicle, a demo, or the way to sign in. */
export function Notice() {
  if (stream.state.value === 'signed_out') return <SignedOut />
  fleet.membership.value
  if (!fleet.known.value || fleet.size > 0) return null
  return <NoVehicles />
}

function SignedOut() {
  return (
    <section class="notice" aria-label="Signed out">
      <h2>Sign in to see the fleet</h2>
      <p>This Orrery shows its map to people it knows.</p>
      <p>
        <a class="button primary" href="/sign-in">
          Sign in
        </a>
      </p>
    </section>
  )
}

function NoVehicles() {
  const secure = location.protocol === 'https:'
  const url = `${secure ? 'wss' : 'ws'}://${location.host}/ws`
  return (
    <section class="notice" aria-label="No vehicles yet">
      <h2>No vehicles yet</h2>
      <p>
        The map fills as soon as the first ping arrives. Watch a simulated fleet drive around
        Athens:
      </p>
      <DemoButton />
      <details>
        <summary>Connect your own vehicles</summary>
        <ol class="steps">
          <li>
            Open a WebSocket to
            <Copyable text={url} />
          </li>
          <li>
            Send the key that the first start printed
            <Copyable text={'{"type":"authentication","api_key":"YOUR_KEY"}'} />
          </li>
          <li>
            Or let the simulator do both, from a terminal
            <Copyable text={`bun run simulate --url ${url} --key YOUR_KEY --vehicles 200`} />
          </li>
        </ol>
      </details>
    </section>
  )
}

function DemoButton() {
  const state = useSignal<'idle' | 'starting' | 'started'>('idle')
  const trouble = useSignal('')
  const start = async (): Promise<void> => {
    state.value = 'starting'
    trouble.value = ''
    const answer = await setDemo(true)
    state.value = answer.ok ? 'started' : 'idle'
    if (!answer.ok) trouble.value = `The demo did not start: ${answer.message}`
  }
  return (
    <p>
      <button
        type="button"
        class="button primary"
        disabled={state.value !== 'idle'}
        onClick={() => void start()}
      >
        <Icon name="play" />
        {state.value === 'idle' ? 'Start demo fleet' : 'Starting…'}
      </button>
      <span class="trouble" role="status">
        {trouble.value}
      </span>
    </p>
  )
}

function Copyable({ text }: { text: string }) {
  const copied = useSignal(false)
  return (
    <span class="copyable">
      <code>{text}</code>
      <button
        type="button"
        class="copy"
        aria-label={copied.value ? 'Copied' : 'Copy'}
        onClick={() => {
          void navigator.clipboard.writeText(text).then(() => {
            copied.value = true
            setTimeout(() => (copied.value = false), 1_500)
          })
        }}
      >
        <Icon name={copied.value ? 'check' : 'copy'} />
      </button>
    </span>
  )
}
