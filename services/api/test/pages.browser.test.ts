import { deletion, eraseAfter, limited, openedExport, problem, routes } from './pages-answers.ts'
import { browserTest } from './pages-stage.ts'

browserTest('the page explains each answer about a link', async (t, stage) => {
  const unknown = ['We don’t recognize this link', 'Open it again'] as const
  for (const [path, answer, title, words] of [
    ['/deletion/cancel', deletion('cancelled'), 'Your account is active', 'was cancelled before'],
    ['/deletion/cancel', deletion('erasing'), 'Your account is being erased', 'nothing can stop'],
    [
      '/deletion/cancel',
      deletion('erased'),
      'Your account has been erased',
      'we cannot bring it back',
    ],
    ['/deletion/cancel', problem(404, 'deletion-not-found'), ...unknown],
    ['/deletion/cancel', problem(400, 'invalid-request'), ...unknown],
    ['/deletion/cancel', limited, 'That did not work', 'Wait 42 seconds'],
    ['/deletion/cancel', problem(503, 'unavailable'), 'That did not work', 'in a minute'],
    ['/deletion/status', problem(404, 'deletion-not-found'), ...unknown],
    ['/export', problem(404, 'export-not-found'), ...unknown],
    [
      '/export',
      problem(409, 'export-not-ready'),
      'Your archive is still being made',
      'We will send you a mail',
    ],
    ['/export', problem(410, 'export-gone'), 'This archive is gone', 'It expired, was destroyed'],
    ['/export', limited, 'That did not work', 'Wait 42 seconds'],
  ] as const) {
    stage.answers[path === '/export' ? routes.open : routes.status] = answer
    await stage.open(path)
    await stage.heading(title)
    t.match(await stage.page.locator('section:visible').textContent(), words, `${path}: ${title}`)
  }
  t.strictSame(stage.complaints, [])
})

browserTest('without a token nobody is asked', async (t, stage) => {
  for (const path of ['/deletion/cancel', '/deletion/status', '/export'])
    for (const fragment of ['', '#', '#token=']) {
      await stage.open(path, fragment)
      await stage.heading('We don’t recognize this link')
    }
  t.strictSame(stage.sent, [])
})

browserTest('a page that failed asks again at the press of a button', async (t, stage) => {
  stage.answers[routes.status] = problem(503, 'unavailable')
  await stage.open('/deletion/cancel')
  await stage.heading('That did not work')
  await stage.page.context().setOffline(true)
  await stage.page.getByRole('button', { name: 'Try again' }).click()
  await stage.page.getByText('The service could not be reached').waitFor()
  t.equal(await stage.page.title(), 'That did not work · Lethe')
  await stage.page.context().setOffline(false)
  stage.answers[routes.status] = deletion('pending')
  await stage.page.getByRole('button', { name: 'Try again' }).click()
  await stage.heading('Your account will be erased in 26 days')
})

browserTest('a second link opened over the first is looked up anew', async (t, stage) => {
  stage.answers[routes.status] = deletion('erased')
  await stage.open('/deletion/cancel')
  await stage.heading('Your account has been erased')
  stage.answers[routes.status] = deletion('pending')
  await stage.page.goto('/deletion/cancel#token=another')
  await stage.heading('Your account will be erased in 26 days')
  t.strictSame(stage.sent.at(-1), { path: routes.status, body: { token: 'another' } })
})

browserTest(
  'without JavaScript a page says what to do',
  async (t, stage) => {
    for (const path of ['/deletion/cancel', '/deletion/status', '/export']) {
      await stage.open(path)
      t.strictSame(await stage.page.locator('h1:visible').allTextContents(), [
        path === '/deletion/cancel' ? 'Keep your account' : 'Please allow JavaScript for this page',
      ])
    }
    t.strictSame(stage.sent, [])
  },
  { javaScriptEnabled: false },
)

browserTest(
  'nothing is cut off at 320 pixels, which is 1280 at a zoom of 400 %',
  async (t, stage) => {
    const { page } = stage
    const made = { status: 'ready', bytes: 3_440_000, expiresAt: eraseAfter }
    stage.answers[routes.status] = deletion('pending', { export: made })
    stage.answers[routes.open] = openedExport
    for (const [path, title] of [
      ['/deletion/cancel', 'Your account will be erased in 26 days'],
      ['/deletion/status', 'Your account will be erased in 26 days'],
      ['/export', 'Your data is ready'],
    ] as const) {
      await stage.open(path)
      await stage.heading(title)
      t.equal(await page.evaluate('document.documentElement.scrollWidth'), 320, path)
      t.strictSame(await page.evaluate(overflowing), [], path)
    }
  },
  { viewport: { width: 320, height: 640 } },
)

browserTest(
  'nothing moves for whoever asked for less motion',
  async (t, stage) => {
    stage.answers[routes.status] = deletion('pending')
    const moving = `document.getAnimations().filter((a) => a.animationName === 'drift').length`
    await stage.open('/deletion/cancel')
    t.equal(await stage.page.evaluate(moving), 0)
    await stage.page.emulateMedia({ reducedMotion: 'no-preference' })
    t.equal(await stage.page.evaluate(moving), 3, 'and the river flows for everybody else')
  },
  { reducedMotion: 'reduce' },
)

/** Names of elements whose content is wider than they are. */
const overflowing = `[...document.querySelectorAll('main, main *')]
  .filter((e) => e.clientWidth > 0 && e.scrollWidth > e.clientWidth + 1 && !e.matches('.spoken'))
  .map((e) => e.tagName + '.' + e.className)`
