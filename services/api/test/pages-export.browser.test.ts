import { readFile } from 'node:fs/promises'
import {
  csv,
  openedExport,
  openedExportWith,
  problem,
  routes,
  token,
  zip,
} from './pages-answers.ts'
import { browserTest } from './pages-stage.ts'

browserTest('the export page shows the archive and downloads it', async (t, stage) => {
  const { page } = stage
  stage.answers[routes.open] = openedExport
  stage.answers[routes.archive] = zip
  await stage.open('/export')
  await stage.heading('Your data is ready')
  const text = (await page.locator('section:visible').textContent()) ?? ''
  for (const fact of ['3.44 MB', 'a'.repeat(64), '4 January 2027, 23:30 UTC'])
    t.ok(text.includes(fact), fact)

  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('link', { name: 'Download the archive' }).click(),
  ])
  t.equal(download.suggestedFilename(), 'lethe-export.zip')
  t.equal(await readFile(await download.path(), 'utf8'), zip.body)
  t.strictSame(stage.complaints, [])
})

browserTest(
  'whoever comes back after a day is let in anew before the download',
  async (t, stage) => {
    const { page } = stage
    stage.answers[routes.open] = openedExport
    stage.answers[routes.archive] = zip
    await page.clock.install()
    await stage.open('/export')
    await stage.heading('Your data is ready')
    await page.clock.fastForward('23:00:00')

    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'Download the archive' }).click(),
    ])
    t.equal(await readFile(await download.path(), 'utf8'), zip.body)
    t.strictSame(
      stage.sent.map(({ path }) => path),
      [routes.open, routes.open, routes.archive],
    )
  },
)

browserTest('the saved passwords come as a file, against the password alone', async (t, stage) => {
  const { page } = stage
  const field = page.getByLabel('Password of your account')
  const notice = page.locator('#password-notice')
  stage.answers[routes.open] = openedExport
  stage.answers[routes.passwords] = problem(403, 'wrong-password')
  await stage.open('/export')
  await stage.heading('Your data is ready')

  await field.fill('not this one')
  await page.keyboard.press('Enter')
  await notice.getByText('That is not the password of this account').waitFor()
  t.equal(await field.getAttribute('aria-invalid'), 'true')
  t.equal(await page.locator(':focus').getAttribute('id'), 'password', 'ready to be typed anew')

  await page.context().setOffline(true)
  await page.keyboard.press('Enter')
  await notice.getByText('The service could not be reached').waitFor()
  t.equal(await field.getAttribute('aria-invalid'), null)
  await page.context().setOffline(false)
  stage.answers[routes.passwords] = csv
  await field.fill('the right one')
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.keyboard.press('Enter'),
  ])
  t.equal(download.suggestedFilename(), 'saved-passwords.csv')
  t.equal(await readFile(await download.path(), 'utf8'), csv.body)
  t.equal(await field.inputValue(), '', 'the password does not stay in the page')
  t.strictSame(stage.sent.at(-1), {
    path: routes.passwords,
    body: { token, password: 'the right one' },
  })
  for (const request of stage.requested) t.notMatch(request, 'the%20right')
  t.strictSame(stage.complaints, [])

  for (const answer of [problem(410, 'export-gone'), problem(409, 'deletion-not-pending')]) {
    stage.answers[routes.passwords] = answer
    await page.reload()
    await stage.heading('Your data is ready')
    await field.fill('the right one')
    await page.keyboard.press('Enter')
    await page.locator('[data-passwords-over]:focus').waitFor()
    t.equal(await field.isVisible(), false)
  }
})

browserTest(
  'the page tells how often the archive was fetched, and destroys it when asked twice',
  async (t, stage) => {
    const { page } = stage
    const downloadedAt = '2026-12-02T10:30:00.000Z'
    stage.answers[routes.open] = openedExportWith({ downloads: 3, downloadedAt, opensVault: false })
    stage.answers[routes.destroy] = { body: { export: { id: '1', status: 'withdrawn' } } }
    await stage.open('/export')
    await stage.heading('Your data is ready')
    const text = (await page.locator('section:visible').textContent()) ?? ''
    for (const fact of ['3 times', '2 December 2026, 10:30 UTC']) t.ok(text.includes(fact), fact)
    t.equal(await page.getByLabel('Password of your account').isVisible(), false)

    await page.getByRole('button', { name: 'Destroy the archive now' }).click()
    const sure = page.getByRole('button', { name: 'Yes, destroy it for good' })
    await sure.waitFor()
    t.equal(stage.sent.filter(({ path }) => path === routes.destroy).length, 0)
    await sure.click()
    await stage.heading('The archive is destroyed')
    t.strictSame(stage.sent.at(-1), { path: routes.destroy, body: { token } })
    t.strictSame(stage.complaints, [])
  },
)
