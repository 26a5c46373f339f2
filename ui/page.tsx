/** @jsxImportSource preact */
import type { ComponentChildren } from 'preact'
import { renderToString } from 'preact-render-to-string'

import { Logo } from './icons.tsx'
import { Island } from './island.tsx'
import { Help } from './islands/help.tsx'
import { KpiBar } from './islands/kpi-bar.tsx'
import { LiveMap } from './islands/live-map.tsx'
import { SessionTable } from './islands/session-table.tsx'
import { TopBar } from './islands/top-bar.tsx'

/** Addresses of the built files that a page names. */
export type PageFiles = Readonly<{
  themeFirst: string
  client: string
  style: string
  font: string
  icon: string
  /** Files that the client imports at once. */
  preload: readonly string[]
}>

/** What the server may say of a page. */
export type PageProps = Readonly<{
  /** The reader's choice, from the cookie `orrery_theme`; without it the system decides. */
  theme: 'dark' | 'light' | null
  tilesUrl: string
  tilesAttribution: string
  demoRunning: boolean
  /** False for one who may look only. */
  mayOperate: boolean
}>

/** HTML of the live map. */
export function liveDocument(files: PageFiles, props: PageProps): string {
  const tiles = { tilesUrl: props.tilesUrl, tilesAttribution: props.tilesAttribution }
  return write(
    <Shell files={files} theme={props.theme} title="Orrery · live map" scripts>
      <a class="skip" href="#search">
        Skip to the vehicles
      </a>
      <div class="app">
        <Bar at="live">
          <Island name="top-bar" class="bar-island">
            <TopBar />
          </Island>
        </Bar>
        <aside class="panel" aria-label="Figures and vehicles">
          <button type="button" class="grip" aria-label="Height of the list" aria-expanded="true">
            <span />
          </button>
          <Island name="kpi-bar" class="kpi-island">
            <KpiBar />
          </Island>
          <Island name="session-table" class="fleet-island">
            <SessionTable />
          </Island>
        </aside>
        <main class="stage">
          <Island name="live-map" class="map-island" props={tiles}>
            <LiveMap {...tiles} />
          </Island>
          <Island name="ticker" class="ticker-island" />
          <Island
            name="notice"
            class="notice-island"
            props={{ demoRunning: props.demoRunning, mayOperate: props.mayOperate }}
          />
          <noscript>
            <p class="notice">The live map needs JavaScript.</p>
          </noscript>
        </main>
        <Island name="session-card" class="card-island" />
      </div>
      <Island name="help">
        <Help />
      </Island>
    </Shell>,
  )
}

/** HTML of the sign-in form; it needs no script. */
export function signInDocument(
  files: PageFiles,
  props: Readonly<{ theme: PageProps['theme']; failed: boolean; message: string | null }>,
): string {
  return write(
    <Shell files={files} theme={props.theme} title="Orrery · sign in" scripts={false}>
      <main class="sign-in">
        <form method="post" action="/sign-in" class="sign-in-card">
          <Brand />
          <p>The password was printed when this Orrery first started.</p>
          <label for="password">Password</label>
          <input
            id="password"
            name="password"
            type="password"
            autocomplete="current-password"
            required
            autofocus
            aria-invalid={props.failed}
            aria-describedby={props.failed ? 'failed' : undefined}
          />
          {props.failed ? (
            <p id="failed" class="trouble" role="alert">
              {props.message ?? 'That password does not fit. Try again.'}
            </p>
          ) : null}
          <button type="submit" class="button primary">
            Sign in
          </button>
        </form>
      </main>
    </Shell>,
  )
}

const PAGES = [
  { id: 'live', path: '/', label: 'Live map', short: 'Map' },
  { id: 'regions', path: '/regions', label: 'Regions', short: 'Regions' },
] as const

/** The bar above every page: who we are, the pages, and the page's own tools. */
export function Bar(props: { at: (typeof PAGES)[number]['id']; children: ComponentChildren }) {
  return (
    <header class="bar">
      <Brand />
      <nav class="pages" aria-label="Pages">
        {PAGES.map(({ id, path, label, short }) => (
          <a key={id} href={path} aria-current={id === props.at ? 'page' : undefined}>
            <span class="wide">{label}</span>
            <span class="narrow">{short}</span>
          </a>
        ))}
      </nav>
      {props.children}
    </header>
  )
}

function Brand() {
  return (
    <h1 class="brand">
      <Logo />
      <span>Orrery</span>
    </h1>
  )
}

/** The HTML around every page. */
export function Shell(props: {
  files: PageFiles
  theme: PageProps['theme']
  title: string
  scripts: boolean
  children: ComponentChildren
}) {
  const { files, theme } = props
  return (
    <html lang="en" data-theme={theme ?? undefined}>
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover" />
        <meta name="color-scheme" content="dark light" />
        <meta name="description" content="Orrery tracks deliveries live." />
        <title>{props.title}</title>
        <script src={files.themeFirst} />
        <link rel="preload" href={files.font} as="font" type="font/woff2" crossorigin="anonymous" />
        <link rel="stylesheet" href={files.style} />
        <link rel="icon" href={files.icon} type="image/svg+xml" />
        {props.scripts
          ? files.preload.map((path) => <link rel="modulepreload" href={path} />)
          : null}
        {props.scripts ? <script type="module" src={files.client} /> : null}
      </head>
      <body>{props.children}</body>
    </html>
  )
}

/** A page as text. */
export function write(page: preact.VNode): string {
  return `<!doctype html>${renderToString(page)}`
}
