import { expect, test } from 'bun:test'

import { buildPages } from './build.ts'

const FIRST_LOAD_JS_BYTES_MAX = 150_000

const pages = await buildPages({ tilesUrl: 'https://tiles.example/{z}/{x}/{y}.png' })
const live = pages.live({ theme: 'light' })
const regions = pages.regions({ theme: 'dark' })
const signIn = pages.signIn({ failed: true, message: 'Too many attempts.' })
const named = (html: string): string[] => [...new Set(html.match(/\/assets\/[\w.-]+/g) ?? [])]

test('a page keeps to a policy without inline script or style', () => {
  for (const html of [live, regions, signIn]) {
    expect(html).not.toMatch(/\sstyle=/)
    expect(html).not.toMatch(/<style/)
    expect(html).not.toMatch(/\son\w+=/)
    expect(html.match(/<script(?![^>]*\ssrc=)/)).toBeNull()
  }
})

test('every file that a page names is there, named by its content', () => {
  for (const path of [...named(live), ...named(regions), ...named(signIn)]) {
    const asset = pages.asset(path)
    expect(asset?.body.length).toBeGreaterThan(0)
    expect(asset?.immutable).toBe(true)
  }
  expect(pages.asset('/assets/nothing.js')).toBeNull()
  expect(pages.asset('/favicon.ico')?.type).toBe('image/svg+xml')
})

test('the first load of scripts stays small', () => {
  for (const html of [live, regions]) {
    const scripts = named(html).filter((path) => path.endsWith('.js'))
    const bytes = scripts.map((path) =>
      Bun.gzipSync(Uint8Array.from(pages.asset(path)?.body ?? [])),
    )
    expect(scripts.length).toBeGreaterThan(2)
    expect(bytes.reduce((sum, each) => sum + each.length, 0)).toBeLessThan(FIRST_LOAD_JS_BYTES_MAX)
  }
})

test('style and fonts come from our own origin', () => {
  const style = named(live).find((path) => path.endsWith('.css')) ?? ''
  const css = new TextDecoder().decode(pages.asset(style)?.body)
  const fonts = css.match(/\/assets\/[\w.-]+\.woff2/g) ?? []
  expect(fonts.length).toBe(2)
  for (const font of fonts) expect(pages.asset(font)?.type).toBe('font/woff2')
  expect(css).not.toContain('https://')
})

test('the theme of the cookie is on the page before anything is painted', () => {
  expect(live).toContain('<html lang="en" data-theme="light">')
  expect(pages.live({})).not.toContain('data-theme')
  expect(live.indexOf('theme-first')).toBeLessThan(live.indexOf('rel="stylesheet"'))
})

test('tiles come from the server where it names them, else from the options', () => {
  expect(live).toContain('https://tiles.example/{z}/{x}/{y}.png')
  expect(pages.live({ tilesUrl: 'https://other.example/t.png' })).toContain('other.example')
})

test('the sign-in form works without a script and says what went wrong', () => {
  expect(signIn).toContain('method="post" action="/sign-in"')
  expect(signIn).toContain('name="password"')
  expect(signIn).toContain('Too many attempts.')
  expect(signIn).not.toContain('type="module"')
})

test('each page links to the other and says where it is', () => {
  expect(live).toContain('<a href="/" aria-current="page">')
  expect(live).toContain('<a href="/regions">')
  expect(regions).toContain('<a href="/regions" aria-current="page">')
})
