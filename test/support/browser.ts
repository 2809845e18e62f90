import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'

/** Chromium's own services would ask the world for things. */
const ARGUMENTS = [
  ...['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking'],
  ...['--disable-component-update', '--disable-sync', '--disable-quic'],
]

export interface TestBrowser {
  /** A page of its own, with nothing in its storage. */
  open(url: string, options?: BrowserContextOptions): Promise<TestPage>
  close(): Promise<void>
}

export interface TestPage {
  page: Page
  /** What the console said that is no mere information, and what went to another host: both should stay empty. */
  complaints: string[]
}

/** Chromium from npm, unpacked into a directory of this process, so that two never unpack over each other. */
export async function startBrowser(): Promise<TestBrowser> {
  const directory = await mkdtemp(join(tmpdir(), 'postgraphile-wechat-browser-'))
  const { TMPDIR } = process.env
  process.env.TMPDIR = directory
  // It looks for the directory when it is loaded.
  const { default: binary } = await import('@sparticuz/chromium')
  const executablePath = await binary.executablePath()
  if (TMPDIR === undefined) delete process.env.TMPDIR
  else process.env.TMPDIR = TMPDIR
  const browser: Browser = await chromium.launch({ executablePath, args: ARGUMENTS, headless: true })
  return {
    async open(url, options) {
      const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options })
      const page = await context.newPage()
      const complaints: string[] = []
      page.on('console', message => {
        if (['warning', 'error'].includes(message.type())) complaints.push(message.text())
      })
      page.on('pageerror', error => complaints.push(error.message))
      page.on('request', request => {
        const { origin, protocol } = new URL(request.url())
        if (protocol !== 'data:' && origin !== new URL(url).origin) complaints.push(request.url())
      })
      await page.goto(url)
      return { page, complaints }
    },
    async close() {
      await browser.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}
