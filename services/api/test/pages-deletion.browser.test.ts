import {
  cancelled,
  deletion,
  eraseAfter,
  limited,
  problem,
  requestedAt,
  routes,
  token,
} from './pages-answers.ts'
import { browserTest } from './pages-stage.ts'

browserTest(
  'the cancel page says what happens and when, and sends nothing but the question',
  async (t, stage) => {
    const { page } = stage
    stage.answers[routes.status] = deletion('pending')
    await stage.open('/deletion/cancel')

    await stage.heading('Your account will be erased in 26 days')
    t.equal(await page.title(), 'Your account will be erased in 26 days · Lethe')
    const berlin = new Intl.DateTimeFormat('de-DE', {
      dateStyle: 'full',
      timeStyle: 'short',
      timeZone: 'Europe/Berlin',
    })
    const time = page.locator('[data-state="pending"] time')
    t.equal(
      await time.textContent(),
      berlin.format(new Date(eraseAfter)),
      'as the person reads dates',
    )
    t.equal(await time.getAttribute('lang'), 'de-DE')
    t.equal(await time.getAttribute('datetime'), eraseAfter)
    const [date, clock] = [eraseAfter.slice(0, 10), eraseAfter.slice(11, 16)]
    const utc = (await page.locator('.utc:visible').textContent()) ?? ''
    t.ok(utc.endsWith(`, ${clock} UTC`), 'and in UTC')
    t.equal(new Date(`${utc.split(',')[0]} UTC`).toISOString().slice(0, 10), date)

    t.strictSame(
      stage.sent,
      [{ path: routes.status, body: { token } }],
      'no cancel without the button',
    )
    const origin = new URL(page.url()).origin
    t.strictSame(stage.origins, [origin])
    for (const request of stage.requested) {
      t.ok(request.startsWith(`${origin}/`), 'nothing from elsewhere')
      t.notMatch(request.replace(/^[^ ]*#[^ ]*/, ''), token, 'no token in a URL or a Referer')
    }
    t.strictSame(stage.complaints, [])
  },
)

browserTest(
  'the keyboard alone reaches the button, and the result is where it leads',
  async (t, stage) => {
    const { page } = stage
    stage.answers[routes.status] = deletion('pending')
    stage.answers[routes.cancel] = cancelled
    await stage.open('/deletion/cancel')
    await stage.heading('Your account will be erased in 26 days')

    await page.keyboard.press('Tab')
    t.equal(await page.locator(':focus-visible').textContent(), 'Keep my account')
    await page.keyboard.press('Enter')

    await stage.heading('Good to have you back')
    t.equal(await page.title(), 'Good to have you back · Lethe')
    const text = await page.locator('section:visible').textContent()
    t.match(text, 'your account is active again')
    t.match(text, 'Log in with your password: we ended every earlier session')
    t.strictSame(stage.sent.at(-1), { path: routes.cancel, body: { token } })
    t.strictSame(stage.complaints, [])
  },
)

browserTest('a button that met a refusal says why', async (t, stage) => {
  const over = (deletionStatus: string) => problem(409, 'deletion-not-pending', { deletionStatus })
  for (const [answer, title] of [
    [over('cancelled'), 'Your account is active'],
    [over('erasing'), 'Your account is being erased'],
    [over('erased'), 'Your account has been erased'],
    [problem(404, 'deletion-not-found'), 'We don’t recognize this link'],
  ] as const) {
    stage.answers[routes.status] = deletion('pending')
    stage.answers[routes.cancel] = answer
    await stage.open('/deletion/cancel')
    await stage.page.getByRole('button', { name: 'Keep my account' }).click()
    await stage.heading(title)
    t.strictSame(stage.sent.at(-1), { path: routes.cancel, body: { token } })
  }
})

browserTest(
  'the button stays usable when the network fails or the limit is met',
  async (t, stage) => {
    const { page } = stage
    stage.answers[routes.status] = deletion('pending')
    stage.answers[routes.cancel] = limited
    await stage.open('/deletion/cancel')
    const button = page.getByRole('button', { name: 'Keep my account' })
    const notice = page.locator('[data-state="pending"] [role="status"]')

    await button.click()
    await notice.getByText('Wait 42 seconds').waitFor()
    t.equal(await notice.getAttribute('aria-live'), 'polite')
    t.equal(await page.locator(':focus').textContent(), 'Keep my account', 'the focus stays')

    await page.context().setOffline(true)
    await button.click()
    await notice.getByText('The service could not be reached').waitFor()

    await page.context().setOffline(false)
    stage.answers[routes.cancel] = cancelled
    await button.click()
    await stage.heading('Good to have you back')
  },
)

browserTest('two presses at once are one request', async (t, stage) => {
  stage.answers[routes.status] = deletion('pending')
  stage.answers[routes.cancel] = cancelled
  await stage.open('/deletion/cancel')
  await stage.page.getByRole('button', { name: 'Keep my account' }).dblclick()
  await stage.heading('Good to have you back')
  t.equal(stage.sent.filter(({ path }) => path === routes.cancel).length, 1)
})

browserTest(
  'the status page tells the course of the deletion, and leads to the button',
  async (t, stage) => {
    const { page } = stage
    const keep = page.getByRole('link', { name: 'Keep my account' })
    const archive = { status: 'ready', bytes: 3_440_000, expiresAt: eraseAfter }
    for (const [answer, title, steps] of [
      [
        deletion('pending', { export: { status: 'pending', bytes: null, expiresAt: null } }),
        'Your account will be erased in 26 days',
        [
          'Done: Deletion requested',
          'Under way: Archive of your data',
          'Still to come: Account to be erased in 26 days',
        ],
      ],
      [
        deletion('cancelled', { cancelledAt: requestedAt, export: { status: 'withdrawn' } }),
        'The deletion was cancelled',
        [
          'Done: Deletion requested',
          'Stopped: Archive of your data',
          'Done: Cancelled: your account is active again',
        ],
      ],
      [
        deletion('erasing', { export: { status: 'failed' } }),
        'Your account is being erased',
        [
          'Done: Deletion requested',
          'Stopped: Archive of your data',
          'Under way: Account being erased',
        ],
      ],
      [
        deletion('erased', { erasedAt: requestedAt, export: archive }),
        'Your account has been erased',
        [
          'Done: Deletion requested',
          'Done: Archive of your data ready (3.44 MB)',
          'Done: Account erased',
        ],
      ],
      [
        deletion('erased', { erasedAt: requestedAt }),
        'Your account has been erased',
        ['Done: Deletion requested', 'Done: Account erased'],
      ],
    ] as const) {
      stage.answers[routes.status] = answer
      await stage.open('/deletion/status')
      await stage.heading(title)
      t.strictSame(await page.locator('.course h2').allTextContents(), steps)
      t.equal(await keep.isVisible(), title.includes('will be'), title)
    }

    stage.answers[routes.status] = deletion('pending')
    await page.getByRole('button', { name: 'Refresh' }).click()
    await stage.heading('Your account will be erased in 26 days')
    await keep.click()
    await page.getByRole('button', { name: 'Keep my account' }).waitFor()
    t.equal(new URL(page.url()).hash, `#token=${token}`)
    t.strictSame(stage.complaints, [])
  },
)

browserTest('a browser that follows such a link names its token to nobody', async (t, stage) => {
  stage.answers[routes.status] = deletion('pending')
  await stage.open('/deletion/cancel%23token=', token)
  await stage.heading('Your account will be erased in 26 days')
  t.strictSame(stage.sent, [{ path: routes.status, body: { token } }])
  const [, ...afterwards] = stage.requested
  for (const request of afterwards)
    t.notMatch(request.replace(/^[^ ]*#[^ ]*/, ''), token, 'no token in a URL or a Referer')
  t.strictSame(stage.complaints, [])
})
