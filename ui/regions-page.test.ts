import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'

import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'

import { serveRegions, TEST_NOW_MS, testCity, testTotals, testWindow } from './testing.ts'

const CHROMIUM = process.env['CHROMIUM'] ?? '/usr/bin/chromium'
const present = existsSync(CHROMIUM)
if (!present && process.env['CI'] === 'true')
  throw new Error(`${CHROMIUM} is missing: apt-get install chromium`)

const ARGS = ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu', '--no-first-run']
const AXE = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')
const WIDE = { viewport: { width: 1280, height: 800 } }
const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true }

setDefaultTimeout(30_000)

type Server = Awaited<ReturnType<typeof serveRegions>>

describe.skipIf(!present)('the regions page in a browser', () => {
  let city: Server
  let empty: Server
  let browser: Browser
  beforeAll(async () => {
    city = await serveRegions(testCity(100))
    empty = await serveRegions(testCity(0))
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGS })
  })
  afterAll(async () => {
    await browser.close()
    city.stop()
    empty.stop()
  })

  /** A page, and whatever it complained about: CSP violations are console errors. */
  async function open(
    options: BrowserContextOptions,
    url = city.url,
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

  test('it says which region is busy and which is late, and the map and the ranking agree', async () => {
    const { page, complaints } = await open({ ...WIDE, colorScheme: 'dark' })
    await page.getByRole('button', { name: /Busiest Region 56 28 trips/ }).waitFor()
    await page.getByRole('button', { name: /Most late Region 2 12 % late/ }).waitFor()
    expect(await rows(page).first().innerText()).toMatch(/Region 56\s+28 trips/)
    await page.locator('path.region[data-step="6"]').first().waitFor()
    expect(await page.locator('path.region').count()).toBe(100)
    expect(await page.locator('path.region[data-late="true"]').count()).toBe(15)
    expect(complaints).toEqual([])
    await page.close()
  })

  test('keys change size and metric, walk the ranking and time; the address brings it back', async () => {
    const { page, complaints } = await open({ ...WIDE, colorScheme: 'light' })
    await rows(page).first().waitFor()
    await page.keyboard.press('1')
    await page.keyboard.press('m')
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('ArrowLeft')
    await page.waitForURL(/metric=avg_fare&size=1m&region=\d+&at=\d+$/)
    const heading = page.locator('.history h2')
    const name = await heading.innerText()
    await page.reload()
    await page.getByRole('button', { name: 'Back to the newest' }).waitFor()
    expect(await heading.innerText()).toBe(name)
    expect(await page.getByLabel('Colour and order by').inputValue()).toBe('avg_fare')
    await page.keyboard.press('Escape')
    await page.getByRole('button', { name: 'Back to the newest' }).waitFor({ state: 'detached' })
    await page.keyboard.press('/')
    await page.keyboard.type('42')
    await page.getByRole('status').filter({ hasText: '1 of 100 regions' }).waitFor()
    expect(complaints).toEqual([])
    await page.close()
  })

  test('an empty page says how to send trips, and the first trip replaces it', async () => {
    const { page, complaints } = await open({ ...WIDE, colorScheme: 'dark' }, empty.url)
    await page.getByText('bun run replay trips.csv').waitFor()
    const startMs = Math.floor(TEST_NOW_MS / 300_000) * 300_000
    empty.say({
      nowMs: TEST_NOW_MS,
      watermarkMs: TEST_NOW_MS - 300_001,
      regions: [testTotals({ regionId: 7, trips: 1, newestMs: TEST_NOW_MS })],
      windows: [testWindow({ regionId: 7, sizeS: 300, startMs, tripCount: 1, final: false })],
    })
    await page.getByRole('button', { name: /Busiest Region 7 1 trip/ }).waitFor()
    expect(await page.getByText('No trips yet').count()).toBe(0)
    await page.locator('.bar-value[data-state="provisional"]').waitFor()
    expect(complaints).toEqual([])
    await page.close()
  })

  test('older windows are asked for, and the timeline comes back to the newest', async () => {
    const { page, complaints } = await open(WIDE)
    await rows(page).first().waitFor()
    const bars = page.locator('.bar-value')
    expect(await bars.count()).toBeGreaterThan(50)
    await page.getByRole('button', { name: 'Older windows' }).click()
    await page.getByRole('img', { name: /^1 window,/ }).waitFor()
    await page.getByRole('button', { name: 'Newer windows' }).click()
    await page.getByRole('img', { name: /^60 windows/ }).waitFor()
    expect(complaints).toEqual([])
    await page.close()
  })

  test('deliveries are asked for when one of their metrics is chosen', async () => {
    const { page, complaints } = await open(WIDE)
    await page.getByLabel('Colour and order by').selectOption('speed')
    await rows(page).filter({ hasText: /km\/h/ }).first().waitFor()
    expect(complaints).toEqual([])
    await page.close()
  })

  test('a line that is cut comes back by itself', async () => {
    const { page } = await open(WIDE)
    await rows(page).first().waitFor()
    const again = page.waitForRequest(/live\/regions/)
    city.cut()
    await again
    await page.getByText('Live', { exact: true }).first().waitFor()
    await page.close()
  })

  test.each([
    ['wide and dark', { ...WIDE, colorScheme: 'dark' }],
    ['wide and light', { ...WIDE, colorScheme: 'light' }],
    ['390 px wide', { ...PHONE, colorScheme: 'dark' }],
  ] as const)('%s: nothing runs over the edge, axe finds nothing serious', async (_, options) => {
    const { page, complaints } = await open(options)
    await rows(page).first().waitFor()
    await page.locator('path.region').first().waitFor()
    const overflow = await page.evaluate(
      () => document.documentElement.scrollWidth - window.innerWidth,
    )
    expect(overflow).toBeLessThanOrEqual(0)
    await page.evaluate(AXE)
    const violations = await page.evaluate(async () => {
      type Found = { id: string; impact: string; nodes: { html: string }[] }
      const axe: { run(): Promise<{ violations: Found[] }> } = Reflect.get(window, 'axe')
      const { violations } = await axe.run()
      return violations.map(({ id, impact, nodes }) => `${impact}: ${id} ${nodes[0]?.html}`)
    })
    expect(violations.filter((found) => /^(serious|critical)/.test(found))).toEqual([])
    expect(complaints).toEqual([])
    await page.close()
  })
})

/** Lines of the ranking; the choice of a metric has options as well. */
function rows(page: Page) {
  return page.locator('#ranking').getByRole('option')
}
