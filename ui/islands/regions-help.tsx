/** @jsxImportSource preact */
import { HelpDialog, type Keys } from './help.tsx'

const KEYS: Keys = [
  ['1 2 3 4', 'Windows of 1, 5, 15 minutes, 1 hour'],
  ['m', 'Next metric'],
  ['↑ ↓', 'Through the ranking'],
  ['← →', 'Earlier, later'],
  ['/', 'Search a region'],
  ['Esc', 'Back to now, then to all regions'],
  ['t', 'Dark or light'],
  ['?', 'This help'],
]

/** Keys of the regions page, and its words. */
export function RegionsHelp() {
  return (
    <HelpDialog keys={KEYS}>
      <p>
        <b>Provisional</b> windows show every trip at once and may still change. They are{' '}
        <b>final</b> when the watermark passes their end: five minutes behind the newest trip, so
        that stragglers are counted. A trip that comes later still is <b>late</b>; if its window is
        still held, the window is <b>revised</b>, else the trip is too late for its minute and
        counts in larger windows only.
      </p>
      <p>
        Map and ranking show the newest window with at least half of the usual trips: one that has
        just begun would show a city at rest. A region is marked late when at least one trip in
        fifty is late for certain, not by chance.
      </p>
    </HelpDialog>
  )
}
