import { basename, join } from 'node:path'

import { liveDocument, type PageFiles, type PageProps, signInDocument } from './page.tsx'
import { regionsDocument } from './regions-page.tsx'

/** What the owner may set. */
export type PagesOptions = Readonly<{
  /** Raster tiles over the built-in map, such as `https://tiles.example/{z}/{x}/{y}.png`; its origin must be in the CSP's img-src. */
  tilesUrl?: string
  tilesAttribution?: string
}>

/** A built file. */
export type Asset = Readonly<{ body: Uint8Array; type: string; immutable: boolean }>

/** The pages and their files. */
export type BuiltPages = Readonly<{
  live(props: Readonly<Record<string, unknown>>): string
  regions(props: Readonly<Record<string, unknown>>): string
  signIn(props: Readonly<{ failed: boolean; message?: unknown; theme?: unknown }>): string
  asset(path: string): Asset | null
}>

const HERE = import.meta.dir
const PREFIX = '/assets/'
const TYPES: Readonly<Record<string, string>> = {
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
  woff2: 'font/woff2',
}
const FONTS = [
  {
    file: 'inter-latin-wght-normal.woff2',
    range: 'U+0000-02FF,U+2000-206F,U+20AC,U+2122,U+2190-2193,U+2212',
  },
  { file: 'inter-greek-wght-normal.woff2', range: 'U+0370-03FF' },
] as const

const ICON = new TextEncoder().encode(
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><g fill="none" stroke-width="2"><ellipse cx="16" cy="16" rx="14" ry="5.6" stroke="#2fd0b0" transform="rotate(-24 16 16)"/><ellipse cx="16" cy="16" rx="9.6" ry="12.8" stroke="#6aa5f0" transform="rotate(28 16 16)"/></g><circle cx="16" cy="16" r="4.6" fill="#f2b34b"/><circle cx="28.4" cy="9.6" r="2.8" fill="#2fd0b0"/></svg>`,
)

/** Bundles the browser's code and style once; takes about a fifth of a second. */
export async function buildPages(options: PagesOptions = {}): Promise<BuiltPages> {
  const assets = new Map<string, Asset>()
  const [fontCss, font] = await addFonts(assets)
  const icon = add(assets, 'icon.svg', ICON)
  const { scripts, css, clients, themeFirst } = await bundle()
  for (const { name, body } of scripts) assets.set(PREFIX + name, asset(name, body))
  const style = add(assets, 'style.css', new TextEncoder().encode(fontCss + css))
  const filesOf = (client: string): PageFiles => ({
    ...{ themeFirst, client, style, font, icon },
    preload: importsOf(client, assets),
  })
  const files = filesOf(clients.live)
  const regionsFiles = filesOf(clients.regions)
  const tilesOf = (props: Readonly<Record<string, unknown>>) => ({
    theme: themeOf(props.theme),
    tilesUrl: textOf(props.tilesUrl) ?? options.tilesUrl ?? '',
    tilesAttribution: textOf(props.tilesAttribution) ?? options.tilesAttribution ?? '',
  })
  assets.set('/favicon.svg', { body: ICON, type: 'image/svg+xml', immutable: false })
  assets.set('/favicon.ico', { body: ICON, type: 'image/svg+xml', immutable: false })
  return {
    live: (props) =>
      liveDocument(files, {
        ...tilesOf(props),
        demoRunning: props.demoRunning === true,
        mayOperate: props.mayOperate !== false,
      }),
    regions: (props) => regionsDocument(regionsFiles, tilesOf(props)),
    signIn: ({ failed, message, theme }) =>
      signInDocument(files, { theme: themeOf(theme), failed, message: textOf(message) }),
    asset: (path) => assets.get(path) ?? null,
  }
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

function themeOf(value: unknown): PageProps['theme'] {
  return value === 'dark' || value === 'light' ? value : null
}

type Bundle = Readonly<{
  scripts: readonly Readonly<{ name: string; body: Uint8Array }>[]
  css: string
  clients: Readonly<{ live: string; regions: string }>
  themeFirst: string
}>

async function bundle(): Promise<Bundle> {
  const shared = {
    target: 'browser',
    minify: true,
    naming: { entry: '[name]-[hash].[ext]', chunk: '[name]-[hash].[ext]' },
  } as const
  const [code, first, style] = await Promise.all([
    Bun.build({
      ...shared,
      entrypoints: [join(HERE, 'client.ts'), join(HERE, 'regions-client.ts')],
      splitting: true,
      publicPath: PREFIX,
      define: { 'process.env.NODE_ENV': '"production"' },
    }),
    Bun.build({ ...shared, entrypoints: [join(HERE, 'theme-first.ts')], format: 'iife' }),
    Bun.build({ ...shared, entrypoints: [join(HERE, 'style.css')], external: ['*.png'] }),
  ])
  const scripts = await Promise.all(
    [...code.outputs, ...first.outputs].map(async (output) => ({
      name: basename(output.path),
      body: new Uint8Array(await output.arrayBuffer()),
    })),
  )
  const css = await Promise.all(style.outputs.map((output) => output.text()))
  const entryOf = ({ outputs }: Bun.BuildOutput, name: string): string => {
    const entry = outputs.find(
      ({ kind, path }) => kind === 'entry-point' && basename(path).startsWith(`${name}-`),
    )
    if (!entry) throw new Error(`the bundle has no entry ${name}`)
    return PREFIX + basename(entry.path)
  }
  return {
    scripts,
    css: css.join(''),
    clients: { live: entryOf(code, 'client'), regions: entryOf(code, 'regions-client') },
    themeFirst: entryOf(first, 'theme-first'),
  }
}

async function addFonts(assets: Map<string, Asset>): Promise<[string, string]> {
  let css = ''
  let first = ''
  for (const { file, range } of FONTS) {
    const path = Bun.resolveSync(`@fontsource-variable/inter/files/${file}`, HERE)
    const url = add(assets, file, new Uint8Array(await Bun.file(path).arrayBuffer()))
    if (first === '') first = url
    css += `@font-face{font-family:"Inter Variable";font-weight:100 900;font-display:swap;src:url(${url}) format("woff2");unicode-range:${range}}`
  }
  return [css, first]
}

/** Names a file after its content, so that it may be kept for ever. */
function add(assets: Map<string, Asset>, name: string, body: Uint8Array): string {
  const cut = name.lastIndexOf('.')
  const hash = Bun.hash(body).toString(36).slice(0, 8)
  const path = `${PREFIX}${name.slice(0, cut)}-${hash}${name.slice(cut)}`
  assets.set(path, asset(name, body))
  return path
}

function asset(name: string, body: Uint8Array): Asset {
  const type = TYPES[name.slice(name.lastIndexOf('.') + 1)] ?? 'application/octet-stream'
  return { body, type, immutable: true }
}

/** Scripts that an entry imports, directly or not, also those that it imports in a moment. */
function importsOf(entry: string, assets: ReadonlyMap<string, Asset>): string[] {
  const found = new Set<string>()
  const look = (path: string): void => {
    const text = new TextDecoder().decode(assets.get(path)?.body)
    for (const [, name = ''] of text.matchAll(/["'](?:\.\/|\/assets\/)([\w.-]+\.js)["']/g)) {
      const next = PREFIX + name
      const size = assets.get(next)?.body.length ?? 0
      if (size === 0 || found.has(next) || next === entry) continue
      found.add(next)
      look(next)
    }
  }
  look(entry)
  return [...found]
}
