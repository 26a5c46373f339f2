import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'

import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'

import { ServerUnderTest } from './testing.ts'

const CHROMIUM = process.env['CHROMIUM'] ?? '/usr/bin/chromium'
const present = existsSync(CHROMIUM)
if (!present) {
  // In CI it is installed, and its absence is an error.
  if (process.env['CI'] === 'true')
    throw new Error(`${CHROMIUM} is missing: apt-get install chromium`)
  console.warn(`browser tests are skipped: ${CHROMIUM} is missing (apt-get install chromium)`)
}

const ARGS = [
  '--no-sandbox',
  '--disable-dev-shm-usage',
  '--disable-gpu',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]
const AXE = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')
const WIDE = { viewport: { width: 1280, height: 800 } }
const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true }

describe.skipIf(!present)('the live map in a browser', () => {
  const server = new ServerUnderTest()
  const empty = new ServerUnderTest()
  let browser: Browser
  beforeAll(async () => {
    await Promise.all([server.start('--demo'), empty.start()])
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGS })
  })
  afterAll(async () => {
    await browser.close()
    await Promise.all([server.dispose(), empty.dispose()])
  })

  /** A page, and whatever it complained about: CSP violations are console errors. */
  async function open(
    options: BrowserContextOptions,
    url = server.url,
  ): Promise<{ page: Page; complaints: string[] }> {
    const page = await browser.newPage(options)
    const complaints: string[] = []
    page.on('console', (message) => {
      if (message.type() === 'error') complaints.push(message.text())
    })
    page.on('pageerror', (error) => complaints.push(error.message))
    await page.goto(url)
    return { page, complaints }
  }

  test('an empty map helps, and its button brings a fleet that moves', async () => {
    const { page, complaints } = await open({ ...WIDE, colorScheme: 'dark' }, empty.url)
    await page.getByText('No vehicles yet').waitFor()
    await page.getByRole('button', { name: /demo fleet/i }).click()
    await page.getByRole('status').filter({ hasText: '200 vehicles' }).waitFor()
    const before = await drawing(page)
    await expectSoon(async () => (await drawing(page)) !== before)
    expect(complaints).toEqual([])
    await page.close()
  })

  test('a vehicle is found by its name, shown on a card, followed, and linked to', async () => {
    const { page, complaints } = await open({ ...WIDE, colorScheme: 'light' })
    await page.getByRole('option').first().waitFor()
    await page.keyboard.press('/')
    await page.keyboard.type('VAN')
    await page.getByRole('option').first().click()
    const card = page.getByLabel('Selected vehicle')
    await card.getByText('Speed').waitFor()
    await card.getByText('En route').first().waitFor()
    expect(await card.innerText()).toMatch(/VAN-\d+/)
    // Where the map is comes into the address first.
    await page.waitForURL((url) => url.hash.includes('session='))
    await page.goto(page.url())
    await page.reload()
    await card.getByText('Speed').waitFor()
    await page.keyboard.press('Escape')
    await card.waitFor({ state: 'detached' })
    expect(complaints).toEqual([])
    await page.close()
  })

  test.each([
    ['wide and dark', { ...WIDE, colorScheme: 'dark' }],
    ['wide and light', { ...WIDE, colorScheme: 'light' }],
    ['390 px wide', { ...PHONE, colorScheme: 'dark' }],
  ] as const)(
    '%s: nothing runs over the edge, and axe finds nothing serious',
    async (_name, options) => {
      const { page, complaints } = await open(options)
      await page.getByRole('option').first().waitFor()
      const overflow = await page.evaluate(
        () => document.documentElement.scrollWidth - window.innerWidth,
      )
      expect(overflow).toBeLessThanOrEqual(0)
      await page.evaluate(AXE)
      const violations = await page.evaluate(async () => {
        const axe: { run(): Promise<{ violations: { id: string; impact: string }[] }> } =
          Reflect.get(window, 'axe')
        const { violations } = await axe.run()
        return violations.map(({ id, impact }) => `${impact}: ${id}`)
      })
      expect(violations.filter((found) => /^(serious|critical)/.test(found))).toEqual([])
      expect(complaints).toEqual([])
      await page.close()
    },
  )

  test('after a restart of the server the page is live again by itself', async () => {
    const { page } = await open(WIDE)
    await page.getByRole('option').first().waitFor()
    await server.end('SIGKILL')
    await page
      .getByText(/Reconnecting|Offline|Retrying/i)
      .first()
      .waitFor()
    await server.start('--demo')
    await page.getByText('Live', { exact: true }).first().waitFor({ timeout: 20_000 })
    await page.getByRole('option').first().waitFor()
    await page.close()
  })
})

/** What the canvases show, as one text. */
function drawing(page: Page): Promise<string> {
  return page.evaluate(() =>
    Array.from(document.querySelectorAll('canvas'), (canvas) => canvas.toDataURL()).join(''),
  )
}

async function expectSoon(holds: () => Promise<boolean>): Promise<void> {
  const untilMs = performance.now() + 10_000
  while (!(await holds())) {
    if (performance.now() > untilMs) throw new Error('did not happen within 10 s')
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}
