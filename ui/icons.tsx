/** @jsxImportSource preact */
/** Orrery's mark: a sun, two orbits, two planets. */
export function Logo() {
  return (
    <svg class="logo" viewBox="0 0 32 32" aria-hidden="true">
      <g fill="none" stroke-width="1.7">
        <ellipse
          class="logo-orbit"
          cx="16"
          cy="16"
          rx="14.2"
          ry="5.6"
          transform="rotate(-24 16 16)"
        />
        <ellipse
          class="logo-orbit-far"
          cx="16"
          cy="16"
          rx="9.6"
          ry="12.8"
          transform="rotate(28 16 16)"
        />
      </g>
      <circle class="logo-sun" cx="16" cy="16" r="4.3" />
      <circle class="logo-planet" cx="28.4" cy="9.6" r="2.5" />
      <circle class="logo-planet-far" cx="7.6" cy="25.6" r="2" />
    </svg>
  )
}

const PATHS = {
  search: 'M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14Zm5.2 12.2L21 21',
  close: 'M6 6l12 12M18 6 6 18',
  moon: 'M20 14.5A8.3 8.3 0 0 1 9.5 4a8.3 8.3 0 1 0 10.5 10.5Z',
  sun: 'M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8Zm0-6v2.5M12 19.5V22M2 12h2.5M19.5 12H22M4.9 4.9l1.8 1.8M17.3 17.3l1.8 1.8M4.9 19.1l1.8-1.8M17.3 6.7l1.8-1.8',
  help: 'M9.2 9.2a2.9 2.9 0 1 1 4.3 2.6c-1 .6-1.5 1.2-1.5 2.4M12 17.6v.2M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18Z',
  copy: 'M9 9h10v11H9zM15 9V4H5v11h4',
  check: 'm5 12.5 4.5 4.5L19 7.5',
  follow: 'M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8Zm0-6v4m0 12v4M2 12h4m12 0h4',
  play: 'M8 5.5v13l11-6.5z',
  flag: 'M6 21V4h12l-2.5 4L18 12H6',
  alert: 'M12 4 3 20h18L12 4Zm0 6.5v4.2m0 2.6v.2',
  start: 'M5 12h13m-5-5.5 5.5 5.5-5.5 5.5',
  clock: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18Zm0 4.5V12l3 2',
  pulse: 'M3 12h4l3-7 4 14 3-7h4',
  left: 'm14.5 5-7 7 7 7',
  right: 'm9.5 5 7 7-7 7',
  arrow: 'M12 3 18.5 20 12 16.2 5.5 20z',
} as const

/** A line icon that takes the colour of its text; always beside a name for those who cannot see it. */
export function Icon({ name }: { name: keyof typeof PATHS }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  )
}
