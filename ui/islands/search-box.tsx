/** @jsxImportSource preact */
import type { Signal } from '@preact/signals'

import { Icon } from '../icons.tsx'

type SearchBoxProps = Readonly<{
  query: Signal<string>
  /** What is looked for, shown while nothing is written. */
  placeholder: string
  label: string
  /** Id of the list that it narrows. */
  controls: string
  lengthMax: number
  /** Told after the query has changed. */
  onChange?: () => void
}>

/** The field that `/` leads to, with a button that empties it. */
export function SearchBox({
  query,
  placeholder,
  label,
  controls,
  lengthMax,
  onChange,
}: SearchBoxProps) {
  return (
    <div class="search">
      <Icon name="search" />
      <input
        id="search"
        type="search"
        placeholder={placeholder}
        aria-label={label}
        aria-controls={controls}
        autocomplete="off"
        spellcheck={false}
        maxLength={lengthMax}
        value={query.value}
        onInput={(event) => {
          query.value = event.currentTarget.value
          onChange?.()
        }}
      />
      {query.value === '' ? (
        <kbd aria-hidden="true">/</kbd>
      ) : (
        <button
          type="button"
          class="search-clear"
          aria-label="Clear the search"
          onClick={() => (query.value = '')}
        >
          <Icon name="close" />
        </button>
      )}
    </div>
  )
}
