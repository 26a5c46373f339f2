/** @jsxImportSource preact */
import { signal, useSignal } from '@preact/signals'

import { Icon } from '../icons.tsx'
import { setDemo } from '../stores/api.ts'
import { fleet, stream } from '../stores/live.ts'
import { Copyable } from './copyable.tsx'
import { SignedOut } from './signed-out.tsx'

type Rights = Readonly<{ demoRunning: boolean; mayOperate: boolean }>

/** Null until somebody changed it: then the server's word from when the page was made counts. */
const demo = signal<boolean | null>(null)

/** What stands over an empty map: how to connect a vehicle, a demo, or the way to sign in. */
export function Notice({ demoRunning, mayOperate }: Rights) {
  if (stream.state.value === 'signed_out')
    return <SignedOut what="the fleet" why="This Orrery shows its map to people it knows." />
  fleet.membership.value
  const running = demo.value ?? demoRunning
  if (!fleet.known.value) return null
  if (fleet.size > 0) return running && mayOperate ? <DemoSign /> : null
  return <NoVehicles running={running} mayOperate={mayOperate} />
}

function NoVehicles({ running, mayOperate }: { running: boolean; mayOperate: boolean }) {
  const secure = location.protocol === 'https:'
  const url = `${secure ? 'wss' : 'ws'}://${location.host}/ws`
  return (
    <section class="notice" aria-label="No vehicles yet">
      <h2>No vehicles yet</h2>
      <p>
        The map fills as soon as the first ping arrives. Watch a simulated fleet drive around
        Athens:
      </p>
      {mayOperate ? <DemoButton running={running} /> : null}
      {mayOperate ? null : (
        <p>
          <a class="button primary" href="/sign-in">
            Sign in to start a demo
          </a>
        </p>
      )}
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

function DemoButton({ running }: { running: boolean }) {
  const busy = useSignal(false)
  const trouble = useSignal('')
  const start = async (): Promise<void> => {
    busy.value = true
    trouble.value = await changeDemo(true)
    busy.value = false
  }
  const waiting = busy.value || running
  return (
    <p>
      <button type="button" class="button primary" disabled={waiting} onClick={() => void start()}>
        <Icon name="play" />
        {waiting ? 'The fleet is setting out…' : 'Start demo fleet'}
      </button>
      <span class="trouble" role="status">
        {trouble.value}
      </span>
    </p>
  )
}

/** Says that these vehicles are simulated, and ends them. */
function DemoSign() {
  const busy = useSignal(false)
  const trouble = useSignal('')
  const stop = async (): Promise<void> => {
    busy.value = true
    trouble.value = await changeDemo(false)
    busy.value = false
  }
  return (
    <div class="demo-sign">
      <span class="dot" data-tone="brass" />
      {trouble.value === '' ? 'Demo fleet' : trouble.value}
      <button type="button" disabled={busy.value} onClick={() => void stop()}>
        Stop
      </button>
    </div>
  )
}

/** Starts or ends the demo; says what went wrong, or nothing. */
async function changeDemo(running: boolean): Promise<string> {
  const answer = await setDemo(running)
  if (answer.ok) {
    demo.value = running
    return ''
  }
  if (answer.why === 'signed_out') return 'Sign in first: only who runs this Orrery may do that.'
  return `The demo did not ${running ? 'start' : 'stop'}: ${answer.message}`
}
