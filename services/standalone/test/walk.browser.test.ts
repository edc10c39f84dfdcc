import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { testDb } from '@lethe/db/testing'
import { freePort, startServices } from '@lethe/dev-env'
import { measureSlowness, until } from '@lethe/machine-speed'
import { type BrowserContext, chromium } from 'playwright-core'
import t, { type Test } from 'tap'
import { listArchive } from '../src/demo/archive.ts'
import { type DemoPerson, password, signUp } from '../src/demo/demo-person.ts'
import { type Inbox, startInbox } from '../src/inbox/index.ts'

const { CHROMIUM_PATH, NODE_COMPILE_CACHE, TEST_REDIS_URL } = process.env
const entry = { site: 'https://bank.example', username: 'ada', password: 'hunter2' }

const noChromium = CHROMIUM_PATH ? false : 'no Chromium on this machine'
const noRedis = TEST_REDIS_URL ? false : 'no redis-server on this machine'

t.test('the mailed links and their pages work on PostgreSQL alone', { skip: noChromium }, (t) =>
  followMails(t, undefined),
)
// A separate Redis database: two workers on one queue must share one PostgreSQL.
t.test(
  'the mailed links and their pages work with the queue on Redis',
  { skip: noChromium || noRedis },
  (t) => followMails(t, `${TEST_REDIS_URL}/7`),
)

/** Follows each mail to its page, and uses the page as a person would. */
async function followMails(t: Test, redisUrl: string | undefined): Promise<void> {
  const { api, inbox } = await startLethe(t, redisUrl)
  const context = await openBrowser(t)
  const page = await context.newPage()
  const ada = await signUp(api, 'ada@example.com', 'Ada')
  await ada.logIn()
  await ada.ask('POST', `/v1/users/${ada.id}/passwords`, entry)

  await requestDeletion(ada)
  await page.goto(await mailedLink(inbox, `${api}/deletion/cancel#token=`))
  await page.getByRole('button', { name: 'Keep my account' }).click()
  await page.getByRole('heading', { name: 'Good to have you back' }).waitFor()
  t.equal((await ada.logIn()).status, 201, 'the button on the cancel page restores the account')
  const seen = inbox.mails().length

  await requestDeletion(ada)
  await page.goto(await mailedLink(inbox, `${api}/export#token=`, seen))
  await page.getByRole('heading', { name: 'Your data is ready' }).waitFor()
  const [archive] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('link', { name: 'Download the archive' }).click(),
  ])
  t.match(archive.suggestedFilename(), /^account-export-.*\.zip$/)
  const files = await listArchive(await readFile(await archive.path()))
  t.ok(
    files.some(({ name }) => name === 'data/saved-passwords.csv'),
    'the export page serves the archive',
  )

  await page.getByLabel('Password of your account').fill(password)
  const [passwords] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Download the passwords' }).click(),
  ])
  t.match(await readFile(await passwords.path(), 'utf8'), 'https://bank.example,ada,hunter2')
}

async function requestDeletion(person: DemoPerson): Promise<void> {
  const asked = await person.ask('DELETE', `/v1/users/${person.id}`)
  if (asked.status !== 202) throw new Error(`the deletion was answered with ${asked.status}`)
}

/** Returns the link that is alone on its line, from a mail after the first `seen` ones. */
function mailedLink(inbox: Inbox, start: string, seen = 0): Promise<string> {
  return until(`the mail with ${start}`, () =>
    inbox
      .mails()
      .filter(({ id }) => id > seen)
      .flatMap(({ text }) => text.split('\n'))
      .find((line) => line.startsWith(start)),
  )
}

/** Starts both services as processes on a database of this test. */
async function startLethe(t: Test, redisUrl: string | undefined) {
  const { url } = await testDb(t)
  const inbox = await startInbox()
  const folder = await mkdtemp(path.join(tmpdir(), 'lethe-'))
  t.teardown(async () => {
    await inbox.close()
    await rm(folder, { recursive: true, force: true })
  })
  const [port, workerPort] = [await freePort(), await freePort()]
  const api = `http://127.0.0.1:${port}`
  const env = {
    NODE_COMPILE_CACHE,
    DATABASE_URL: url,
    ...(redisUrl && { REDIS_URL: redisUrl }),
    SMTP_URL: inbox.smtpUrl,
    SECRET_KEY: Buffer.alloc(32, 7).toString('base64url'),
    PUBLIC_URL: api,
    PORT: String(port),
    WORKER_PORT: String(workerPort),
    EXPORT_DIR: path.join(folder, 'exports'),
    UPLOAD_DIR: path.join(folder, 'uploads'),
    LOG_LEVEL: 'warn',
  }
  const services = await startServices([
    { name: 'api', env, url: api },
    { name: 'worker', env, url: `http://127.0.0.1:${workerPort}` },
  ])
  t.teardown(() => Promise.all(services.map((service) => service.stop())))
  return { api, inbox }
}

async function openBrowser(t: Test): Promise<BrowserContext> {
  const flags = ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-sync']
  const browser = await chromium.launch({
    ...(CHROMIUM_PATH && { executablePath: CHROMIUM_PATH }),
    args: [...flags, '--disable-background-networking', '--disable-component-update'],
    timeout: 60_000 * (await measureSlowness()),
  })
  t.teardown(() => browser.close())
  const context = await browser.newContext({ acceptDownloads: true })
  context.setDefaultTimeout(60_000 * (await measureSlowness()))
  return context
}
