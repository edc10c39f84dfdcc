import axe from 'axe-core'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { createApiUser, inject, password } from './person.ts'
import { testApp } from './test-app.ts'

const executablePath = process.env.CHROMIUM_PATH
const skip = executablePath ? false : 'no Chromium on this machine'
let running: Promise<Browser> | undefined

const phone = { viewport: { width: 375, height: 800 } }
const browsers: Record<string, BrowserContextOptions> = {
  'with JavaScript': { ...phone, colorScheme: 'light' },
  'without JavaScript': { ...phone, colorScheme: 'dark', javaScriptEnabled: false },
}

for (const [name, options] of Object.entries(browsers))
  t.test(`${name} a person without a link cancels by keyboard alone`, { skip }, async (t) => {
    const hasScripts = options.javaScriptEnabled !== false
    const { page, app, ada, origin } = await leaving(t, options)
    for (const [typed, heading] of [
      ['wrong password', 'Your account was not changed'],
      [password, 'Good to have you back'],
    ] as const) {
      if (typed === 'wrong password') {
        await page.goto(`${origin}/deletion/cancel`)
        await lookAt(t, page, `${name}, no link`, hasScripts)
        await tabTo(page, 'Email address of your account')
        await page.keyboard.type(ada.email)
        await page.keyboard.press('Tab')
      }
      t.equal(await focused(page), 'Password', 'after a refusal the focus is there already')
      await page.keyboard.type(typed)
      await page.keyboard.press('Enter')
      await page.getByRole('heading', { name: heading, exact: true }).waitFor()
      await lookAt(t, page, `${name}, ${heading}`, hasScripts)
    }
    const logIn = { email: ada.email, password }
    t.equal((await inject(app, 'POST', '/v1/sessions', logIn)).statusCode, 201)
  })

t.test('a dead link shows the form', { skip }, async (t) => {
  const { page, origin } = await leaving(t, { colorScheme: 'dark' })
  await page.goto(`${origin}/deletion/cancel#token=dead`)
  await page.getByRole('heading', { name: 'We don’t recognize this link' }).waitFor()
  await page.getByLabel('Password').waitFor()
  await lookAt(t, page, 'a dead link')
})

/** Checks in light and dark that no content is cut off and that axe finds nothing. axe itself needs JavaScript. */
async function lookAt(t: Test, page: Page, name: string, hasScripts = true): Promise<void> {
  const { width } = page.viewportSize() ?? { width: 0 }
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme })
    t.equal(await page.evaluate('document.documentElement.scrollWidth'), width, name)
    if (hasScripts) t.strictSame(await violations(page), [], `${name}, ${colorScheme}`)
  }
}

async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe.source)
  const found = (await page.evaluate('axe.run()')) as axe.AxeResults
  return found.violations.map(
    ({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`,
  )
}

async function tabTo(page: Page, label: string): Promise<void> {
  for (let tabs = 0; tabs < 10 && (await focused(page)) !== label; tabs++)
    await page.keyboard.press('Tab')
}

/** The label of the focused field. */
function focused(page: Page): Promise<unknown> {
  return page.evaluate("document.activeElement?.labels?.[0]?.textContent ?? ''")
}

async function leaving(t: Test, options: BrowserContextOptions) {
  const { app } = await testApp(t, { env: { PUBLIC_URL: 'http://lethe.test' } })
  const ada = await createApiUser(app, 'ada@example.com')
  await ada.withToken('DELETE', `/v1/users/${ada.id}`, { password })
  const origin = await app.listen({ host: '127.0.0.1', port: 0 })
  const browser = await launched()
  const context = await browser.newContext(options)
  t.teardown(() => context.close())
  return { app, ada, origin, page: await context.newPage() }
}

function launched(): Promise<Browser> {
  if (!running) {
    running = chromium.launch({
      ...(executablePath && { executablePath }),
      args: ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run'],
    })
    t.teardown(async () => (await running)?.close())
  }
  return running
}
