import { createHash } from 'node:crypto'
import { formatTimed, judge, startStopwatch, until } from '@lethe/machine-speed'
import { listArchive } from './archive.ts'
import type { DemoEnvironment } from './demo-environment.ts'
import { type DemoPerson, password, signUp } from './demo-person.ts'
import { expect, print, step } from './print.ts'
import { rowsOf, tracesInDatabase, tracesInFolder } from './traces.ts'

const address = 'ada@example.com'
const name = 'Ada Lovelace'
const site = 'https://analytical-engine.example'
const secrets = ['enchantress-of-numbers', 'note-g-1843', 'bernoulli-numbers']
// A picture of one pixel.
const picture = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==',
  'base64',
)

/** Plays the story from the sign-up to the proof that no trace is left; checks each step as it is printed. */
export async function runStory(environment: DemoEnvironment): Promise<void> {
  const { api, db, uploadDir, graceSeconds } = environment

  print('\nAda has an account')
  const { ada, bob } = await step(
    'Ada signs up and logs in, and so does her neighbor Bob',
    async () => {
      const people = {
        ada: await signUp(api, address, name),
        bob: await signUp(api, 'bob@example.com', 'Bob'),
      }
      for (const person of Object.values(people))
        expect((await person.logIn()).status === 201, 'a log-in was refused')
      return { ...people, observed: `user ${people.ada.id} and user ${people.bob.id}` }
    },
  )
  await step('she saves three passwords and uploads a picture', async () => {
    for (const secret of secrets) await save(ada, { site, username: address, password: secret })
    await save(bob, { site: 'https://bobs.example', username: 'bob', password: 'his-own' })
    const put = await ada.ask('PUT', `/v1/users/${ada.id}/avatar`, new Uint8Array(picture))
    expect(put.status === 204, `the picture was answered with ${put.status}`)
    const { tables, files, bytes } = await preview(ada)
    return {
      observed: `a deletion would erase ${tables.saved_passwords} passwords and ${files} file of ${bytes} bytes, among others`,
    }
  })
  const bobsRows = await rowsOf(db, bob.id)

  print('\nShe leaves and changes her mind')
  await step('she asks for the deletion, and is logged out everywhere', async () => {
    const { eraseAfter } = await deleteAccount(ada)
    expect((await ada.ask('GET', '/v1/sessions')).status === 401, 'her session is still accepted')
    const again = await ada.logIn()
    expect(again.status === 403, `her log-in was answered with ${again.status}, not 403`)
    return {
      observed: `202, to be erased after ${eraseAfter}; the old session is refused, a new log-in too`,
    }
  })
  const { cancel } = await step('a mail contains the link that cancels', async () => {
    const { subject, text } = await mail(environment, 'will be erased')
    return { cancel: tokenIn(text, `${api}/deletion/cancel#token=`), observed: `“${subject}”` }
  })
  await step('she cancels, logs in, and everything is as it was', async () => {
    const cancelled = await ada.ask('POST', '/v1/deletions/cancel', { token: cancel })
    expect(cancelled.status === 200, `the cancel was answered with ${cancelled.status}`)
    expect(
      (await ada.ask('GET', '/v1/sessions')).status === 401,
      'the old session is accepted again',
    )
    expect((await ada.logIn()).status === 201, 'she cannot log in')
    const saved = await ada.ask('GET', `/v1/users/${ada.id}/passwords`)
    const { passwords } = (await saved.json()) as { passwords: { password: string }[] }
    expect(
      passwords.map(({ password: one }) => one).join() === secrets.join(),
      'her passwords have changed',
    )
    const image = await (await ada.ask('GET', `/v1/users/${ada.id}/avatar`)).arrayBuffer()
    expect(picture.equals(Buffer.from(image)), 'her picture has changed')
    return { observed: 'three passwords, one picture, and the sessions of before stay ended' }
  })

  print(`\nShe leaves for good; the grace period is ${graceSeconds} seconds here`)
  const { eraseAfter } = await step('she asks again', async () => {
    const { eraseAfter: date } = await deleteAccount(ada)
    return { eraseAfter: Date.parse(date), observed: `202, to be erased after ${date}` }
  })
  await step('a mail contains the link to her data, and the archive opens', async () => {
    const opened = await openExport(environment)
    const { sha256 } = ((await opened.json()) as { export: { sha256: string } }).export
    const cookie = opened.headers.getSetCookie()[0]?.split(';')[0] ?? ''
    const fetched = await fetch(`${api}/v1/exports/archive`, { headers: { cookie } })
    const bytes = Buffer.from(await fetched.arrayBuffer())
    expect(
      createHash('sha256').update(bytes).digest('hex') === sha256,
      'the archive is not the one that was announced',
    )
    const entries = await listArchive(bytes)
    return {
      observed: entries.map(({ name: file, bytes: size }) => `${file} (${size} B)`).join(', '),
    }
  })
  await step('she is erased after the date, and not before', async () => {
    const watch = startStopwatch()
    const erased = await until('the erasure', async () => {
      const row = await db
        .selectFrom('deletions')
        .select(['erased_at', 'claimed_at', 'erased_counts'])
        .where('status', '=', 'erased')
        .executeTakeFirst()
      return row
    })
    const late = (erased.erased_at?.getTime() ?? 0) - eraseAfter
    expect((erased.claimed_at?.getTime() ?? 0) >= eraseAfter, 'it came before the date')
    watch.stop()
    const timed = { ms: late, boundMs: 5_000, slower: watch.slowestOver(5_000) }
    expect(judge(timed) !== 'broken', `it came late: ${formatTimed(timed)}`)
    return {
      observed: `${late} ms after the date; the tombstone counts ${JSON.stringify(erased.erased_counts?.tables)}`,
    }
  })
  await step('the last mail says so, and her address leaves the outbox with it', async () => {
    const { subject } = await mail(environment, 'erased', (subject) => !subject.includes('will be'))
    await until('the end of the outbox', async () => {
      const pending = await db
        .selectFrom('outbox')
        .select('id')
        .where('status', '=', 'pending')
        .execute()
      return pending.length === 0
    })
    return { observed: `“${subject}”` }
  })

  print('\nWhat is left')
  await step('no table holds a trace of her', async () => {
    const words = [address, name, site, ...secrets]
    const { searched, schemas, hits } = await tracesInDatabase(db, words)
    expect(hits.length === 0, `found in ${hits.join(', ')}`)
    return {
      observed: `${searched} tables (${schemas.join(', ')}) searched for her address, name, site and passwords`,
    }
  })
  await step('the upload folder holds no file of hers', async () => {
    const hits = await tracesInFolder(uploadDir, ada.id, [address, name, site, ...secrets])
    expect(hits.length === 0, `found ${hits.join(', ')}`)
    return { observed: 'her folder is gone' }
  })
  await step('Bob’s rows are what they were, byte for byte', async () => {
    expect((await rowsOf(db, bob.id)) === bobsRows, 'they have changed')
    return { observed: `${bobsRows.length} characters compared` }
  })
}

interface Entry {
  site: string
  username: string
  password: string
}

async function save(person: DemoPerson, entry: Entry): Promise<void> {
  const saved = await person.ask('POST', `/v1/users/${person.id}/passwords`, entry)
  expect(saved.status === 201, `a password was answered with ${saved.status}`)
}

interface Preview {
  tables: Record<string, number>
  files: number
  bytes: number
}

async function preview(person: DemoPerson): Promise<Preview> {
  const answer = await person.ask('GET', `/v1/users/${person.id}/deletion/preview`)
  return (await answer.json()) as Preview
}

async function deleteAccount(person: DemoPerson): Promise<{ eraseAfter: string }> {
  const asked = await person.ask('DELETE', `/v1/users/${person.id}`, { password })
  expect(asked.status === 202, `the deletion was answered with ${asked.status}`)
  return ((await asked.json()) as { deletion: { eraseAfter: string } }).deletion
}

function mail({ inbox }: DemoEnvironment, words: string, fits = (_subject: string) => true) {
  return until(`the mail “… ${words} …”`, () =>
    inbox
      .mails()
      .find(({ subject, to }) => to === address && subject.includes(words) && fits(subject)),
  )
}

/** The mail of the cancelled deletion may be there too; its link no longer works, so it is tried once. */
function openExport({ api, inbox }: DemoEnvironment): Promise<Response> {
  const tried = new Set<number>()
  return until('a mail with a link that opens the archive', async () => {
    for (const { id, subject, text } of inbox.mails()) {
      if (tried.has(id) || !subject.includes('ready to download')) continue
      tried.add(id)
      const opened = await fetch(`${api}/v1/exports/open`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ token: tokenIn(text, `${api}/export#token=`) }),
      })
      if (opened.ok) return opened
      expect(opened.status === 410, `the link to the archive was answered with ${opened.status}`)
    }
    return undefined
  })
}

/** Returns the token of the link that is alone on its line. */
function tokenIn(text: string, link: string): string {
  const line = text.split('\n').find((one) => one.startsWith(link))
  expect(line !== undefined, `the mail holds no link ${link}…`)
  return line.slice(link.length).trim()
}
