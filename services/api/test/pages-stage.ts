import helmet from '@fastify/helmet'
import { measureSlowness } from '@lethe/machine-speed'
import Fastify from 'fastify'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { pages } from '../src/pages/index.ts'
import { restoreLinks } from '../src/pages/restore-links.ts'
import { type Answer, token } from './pages-answers.ts'

export interface Stage {
  page: Page
  /** The current answers of the routes behind the pages, by path. */
  answers: Record<string, Answer>
  /** The requests of the pages to those routes, in order. */
  sent: { path: string; body: unknown }[]
  /** The `Origin` of each of those requests: the API accepts only its own. */
  origins: unknown[]
  /** Every request that left the browser: the URL and its `Referer`. */
  requested: string[]
  /** Violations of the content security policy in the browser's console, and script errors. */
  complaints: string[]
  /** Loads a page with this fragment. */
  open(path: string, fragment?: string): Promise<void>
  /** Waits until the page has this heading, focused. */
  heading(text: string): Promise<void>
}

const executablePath = process.env.CHROMIUM_PATH
const skip = executablePath ? false : 'no Chromium on this machine'
let running: Promise<Browser> | undefined

/** Tests the pages alone, in a real browser, against an API whose answers the test chooses. */
export function browserTest(
  title: string,
  claim: (t: Test, stage: Stage) => Promise<void>,
  options: BrowserContextOptions = {},
): void {
  t.test(title, { skip }, async (t) => claim(t, await openStage(t, options)))
}

async function openStage(t: Test, options: BrowserContextOptions): Promise<Stage> {
  const answers: Stage['answers'] = {}
  const sent: Stage['sent'] = []
  const origins: Stage['origins'] = []
  const { app, origin } = await serve({ answers, sent, origins })
  const browser = await launched()
  const context = await browser.newContext({
    locale: 'de-DE',
    timezoneId: 'Europe/Berlin',
    baseURL: origin,
    ...options,
  })
  t.teardown(async () => {
    await context.close()
    await app.close()
  })
  context.setDefaultTimeout(await browserTimeout())
  const page = await context.newPage()
  return {
    page,
    answers,
    sent,
    origins,
    ...watch(page),
    async open(path, fragment = `#token=${token}`) {
      // Without this a second fragment would not load the page again.
      await page.goto('about:blank')
      await page.goto(`${path}${fragment}`)
    },
    heading: (text) => page.locator('h1:focus').getByText(text, { exact: true }).waitFor(),
  }
}

/** The pages behind helmet as in the app, and the test's answers under `/v1/`. */
async function serve({ answers, sent, origins }: Pick<Stage, 'answers' | 'sent' | 'origins'>) {
  const app = Fastify({ forceCloseConnections: true })
  await app.register(helmet, { strictTransportSecurity: false })
  restoreLinks(app)
  await app.register(pages)
  app.route<{ Params: { '*': string } }>({
    method: ['GET', 'POST'],
    url: '/v1/*',
    handler: (request, reply) => {
      const path = `/v1/${request.params['*']}`
      sent.push({ path, body: request.body })
      origins.push(request.headers.origin)
      const { status = 200, body = {}, headers = {} } = answers[path] ?? { status: 404 }
      const type = status < 400 ? 'application/json' : 'application/problem+json'
      return reply.code(status).type(type).headers(headers).send(body)
    },
  })
  return { app, origin: await app.listen({ host: '127.0.0.1', port: 0 }) }
}

function watch(page: Page): Pick<Stage, 'requested' | 'complaints'> {
  const requested: string[] = []
  const complaints: string[] = []
  page.on('request', (request) => {
    requested.push(`${request.url()} ${request.headers().referer ?? ''}`)
  })
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('console', (message) => {
    if (message.text().includes('Content Security Policy')) complaints.push(message.text())
  })
  return { requested, complaints }
}

/** Shares one browser between all tests of a file. */
function launched(): Promise<Browser> {
  if (!running) {
    running = launch()
    t.teardown(async () => (await running)?.close())
  }
  return running
}

async function launch(): Promise<Browser> {
  return chromium.launch({
    ...(executablePath && { executablePath }),
    args: chromiumFlags,
    timeout: await browserTimeout(),
  })
}

const browserTimeout = async () => 60_000 * (await measureSlowness())

const chromiumFlags = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
]
