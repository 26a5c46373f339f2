/** @jsxImportSource preact */
import { useSignal } from '@preact/signals'

import { Icon } from '../icons.tsx'

/** A line of code with a button that copies it. */
export function Copyable({ text }: { text: string }) {
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
