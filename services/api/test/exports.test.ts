import { randomUUID } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { planErasure } from '@lethe/accounts'
import { makeArchive, openStorage } from '@lethe/archive'
import { type Db, openSnapshotPool } from '@lethe/db'
import { findPendingExports, publishArchives } from '@lethe/lifecycle'
import type { FastifyInstance } from 'fastify'
import { sql } from 'kysely'
import t, { type Test } from 'tap'
import {
  type ApiUser,
  archiveToken,
  cancelToken,
  createApiUser,
  inject,
  password,
} from './person.ts'
import { keys, testApp } from './test-app.ts'

const folders = new WeakMap<Test, Promise<string>>()

t.test(
  'the link of the mail opens the archive; the cookie fetches it, whole or in part',
  async (t) => {
    const { app, ada, databases } = await leaving(t)
    const token = await archived(t, databases, ada)
    const opened = await inject(app, 'POST', '/v1/exports/open', { token })
    t.equal(opened.statusCode, 200)
    const { bytes, sha256, expiresAt } = opened.json().export
    t.match(opened.json().export, { createdAt: /Z$/, sha256: /^[0-9a-f]{64}$/ })
    t.ok(Date.parse(expiresAt) > Date.now() + 33 * 86_400_000, 'eraseAfter plus seven days')
    t.match(opened.cookies, [
      { httpOnly: true, sameSite: 'Strict', path: '/v1/exports', maxAge: 86_400 },
    ])

    const whole = await fetchArchive(app, opened)
    t.equal(whole.statusCode, 200)
    t.equal(whole.rawPayload.length, bytes)
    t.match(whole.headers, {
      'content-type': 'application/zip',
      'accept-ranges': 'bytes',
      'content-length': String(bytes),
      'content-disposition': /^attachment; filename="account-export-\d{4}-\d\d-\d\d\.zip"$/,
      etag: `"${sha256}"`,
    })
    const head = await inject(app, 'HEAD', '/v1/exports/archive', undefined, ticketOf(opened))
    t.equal(head.headers['content-length'], String(bytes))
    t.equal(head.body, '')
    const parts: [range: string, status: number, from: number, to: number][] = [
      ['bytes=0-9', 206, 0, 10],
      ['bytes=10-', 206, 10, bytes],
      ['bytes=-5', 206, bytes - 5, bytes],
      [`bytes=0-${bytes + 7}`, 206, 0, bytes],
      ['bytes=5-2', 200, 0, bytes],
      ['bytes=0-1,3-4', 200, 0, bytes],
      ['lines=0-1', 200, 0, bytes],
    ]
    for (const [range, status, from, to] of parts) {
      const part = await fetchArchive(app, opened, { range })
      t.equal(part.statusCode, status, range)
      t.ok(part.rawPayload.equals(whole.rawPayload.subarray(from, to)), range)
      if (status === 206) t.equal(part.headers['content-range'], `bytes ${from}-${to - 1}/${bytes}`)
    }
    for (const range of [`bytes=${bytes}-`, 'bytes=-0']) {
      const refused = await fetchArchive(app, opened, { range })
      t.equal(refused.statusCode, 416, range)
      t.equal(refused.headers['content-range'], `bytes */${bytes}`)
    }
    const same = await fetchArchive(app, opened, { range: 'bytes=0-9', 'if-range': `"${sha256}"` })
    t.equal(same.statusCode, 206)
    const other = await fetchArchive(app, opened, { range: 'bytes=0-9', 'if-range': '"other"' })
    t.equal(other.statusCode, 200)
  },
)

t.test('a download ticket lasts a day, but not longer than the archive', async (t) => {
  const { app, ada, db, databases } = await leaving(t)
  const token = await archived(t, databases, ada)
  const lifetime = async () => {
    const { cookies } = await inject(app, 'POST', '/v1/exports/open', { token })
    const [ticket] = cookies as { value: string; maxAge: number }[]
    const claims = JSON.parse(
      Buffer.from(ticket?.value.split('.')[1] ?? '', 'base64url').toString(),
    )
    t.equal(claims.exp - claims.iat, ticket?.maxAge, 'the browser and we end it together')
    return ticket?.maxAge ?? 0
  }
  t.equal(await lifetime(), 86_400)
  await sql`update public.exports set expires_at = now() + interval '1 hour'`.execute(db)
  const bounded = await lifetime()
  t.ok(bounded > 3_500 && bounded <= 3_600, String(bounded))
})

t.test('anonymous: no archive without the cookie, and no cookie without the token', async (t) => {
  const { app, ada, db, databases } = await leaving(t)
  await archived(t, databases, ada)
  const unknown = await inject(app, 'POST', '/v1/exports/open', { token: 'x'.repeat(43) })
  t.match(unknown.json(), { status: 404, type: '/problems/export-not-found' })
  const cancelling = await cancelToken(db, keys, ada.id)
  const swapped = await inject(app, 'POST', '/v1/exports/open', { token: cancelling })
  t.equal(swapped.statusCode, 404, 'the token of the other link opens nothing')
  for (const cookie of ['', 'lethe-export=x', `lethe-export=${ada.accessToken}`, ada.cookie])
    t.equal(
      (await inject(app, 'GET', '/v1/exports/archive', undefined, { cookie })).statusCode,
      401,
    )
})

t.test(
  'before it is made it is not ready; withdrawn or expired it is gone, for an open cookie too',
  async (t) => {
    const { app, ada, db, databases } = await leaving(t)
    const early = await inject(app, 'POST', '/v1/exports/open', {
      token: await archiveToken(db, keys, ada.id),
    })
    t.match(early.json(), { status: 409, type: '/problems/export-not-ready' })

    const token = await archived(t, databases, ada)
    const open = () => inject(app, 'POST', '/v1/exports/open', { token })
    const opened = await open()
    await sql`update public.exports set expires_at = now()`.execute(db)
    t.match((await open()).json(), { status: 410, type: '/problems/export-gone' })
    t.equal((await fetchArchive(app, opened)).statusCode, 410)
    await sql`update public.exports set expires_at = now() + interval '1 day'`.execute(db)
    t.equal((await fetchArchive(app, opened)).statusCode, 200)

    const cancel = { token: await cancelToken(db, keys, ada.id) }
    t.equal((await inject(app, 'POST', '/v1/deletions/cancel', cancel)).statusCode, 200)
    t.equal((await open()).statusCode, 410)
    t.equal((await fetchArchive(app, opened)).statusCode, 410)
    t.strictSame(await readdir(await exportDirOf(t)), [], 'a cancel removes the archive at once')
  },
)

t.test('the saved passwords need the token and the account’s password', async (t) => {
  const { app, ada, db, databases } = await leaving(t)
  const token = await archived(t, databases, ada)
  const ask = (pass: string, link = token) =>
    inject(app, 'POST', '/v1/exports/passwords', { token: link, password: pass })
  t.match((await ask('wrong password')).json(), { status: 403, type: '/problems/wrong-password' })
  t.equal((await ask(password, 'x'.repeat(43))).statusCode, 404)
  const csv = await ask(password)
  t.equal(csv.statusCode, 200)
  t.match(csv.headers, {
    'content-type': 'text/csv; charset=utf-8',
    'content-disposition': 'attachment; filename="saved-passwords.csv"',
  })
  t.equal(
    csv.body,
    'name,url,username,password,note\r\nhttps://bank.example,https://bank.example,ada,"=1+1,""x""",\r\n',
    'to the letter: nothing is put before a password',
  )
  const archive = await fetchArchive(app, await inject(app, 'POST', '/v1/exports/open', { token }))
  t.equal(archive.rawPayload.includes('=1+1'), false)

  await sql`update public.deletions set status = 'erasing', claimed_at = erase_after + interval '1 hour'`.execute(
    db,
  )
  t.equal((await ask(password)).statusCode, 410, 'only during the grace period')
})

t.test(
  'downloads are counted, in however many parts, and the page of the deletion tells of them',
  async (t) => {
    const { app, ada, db, databases } = await leaving(t)
    const token = await archived(t, databases, ada)
    const opened = await inject(app, 'POST', '/v1/exports/open', { token })
    const downloads = async () =>
      (await inject(app, 'POST', '/v1/exports/open', { token })).json().export
    t.match(opened.json().export, { downloads: 0, downloadedAt: undefined, opensVault: true })
    await inject(app, 'HEAD', '/v1/exports/archive', undefined, ticketOf(opened))
    await fetchArchive(app, opened, { range: 'bytes=99999999-' })
    t.match(await downloads(), { downloads: 0 }, 'nothing was fetched')
    await fetchArchive(app, opened, { range: 'bytes=1-' })
    await fetchArchive(app, opened, { range: 'bytes=0-0' })
    await fetchArchive(app, opened)
    t.match(await downloads(), { downloads: 1, downloadedAt: /Z$/ }, 'once, in three parts')
    await fetchArchive(app, await inject(app, 'POST', '/v1/exports/open', { token }))
    t.match(await downloads(), { downloads: 2 }, 'and by somebody else')
    await fetchArchive(app, opened, { range: 'bytes=9-' })
    t.match(await downloads(), { downloads: 2 }, 'the first one goes on after a break')
    const status = { token: await cancelToken(db, keys, ada.id) }
    const told = (await inject(app, 'POST', '/v1/deletions/status', status)).json().deletion
    t.match(told.export, { status: 'ready', downloads: 2, downloadedAt: /Z$/ })
  },
)

t.test('the token destroys the archive and its key', async (t) => {
  const { app, ada, db, databases } = await leaving(t)
  const early = await archiveToken(db, keys, ada.id)
  const destroy = (token: string) => inject(app, 'POST', '/v1/exports/destroy', { token })
  t.match((await destroy(early)).json(), { status: 409, type: '/problems/export-not-ready' })
  const token = await archived(t, databases, ada)
  const opened = await inject(app, 'POST', '/v1/exports/open', { token })
  t.equal((await destroy('x'.repeat(43))).statusCode, 404)

  const destroyed = await destroy(token)
  t.equal(destroyed.statusCode, 200)
  t.match(destroyed.json().export, { id: String, status: 'withdrawn' })
  t.strictSame(await readdir(await exportDirOf(t)), [])
  t.equal((await fetchArchive(app, opened)).statusCode, 410)
  t.match((await destroy(token)).json(), { status: 410, type: '/problems/export-gone' })
  const row = await db.selectFrom('exports').selectAll().executeTakeFirstOrThrow()
  t.match(row, { status: 'withdrawn', token_nonce: null })
  const cancel = { token: await cancelToken(db, keys, ada.id) }
  t.equal((await inject(app, 'POST', '/v1/deletions/cancel', cancel)).statusCode, 200)
})

t.test('hands out nothing of an archive that was changed in the storage', async (t) => {
  const { app, ada, databases } = await leaving(t)
  const token = await archived(t, databases, ada)
  const opened = await inject(app, 'POST', '/v1/exports/open', { token })
  const folder = await exportDirOf(t)
  const [name = ''] = await readdir(folder)
  const sealed = await readFile(path.join(folder, name))
  sealed[30] = (sealed[30] ?? 0) ^ 1
  await writeFile(path.join(folder, name), sealed)
  const refused = await fetchArchive(app, opened)
  t.match(refused.json(), { status: 500, type: '/problems/export-damaged' })
})

t.test(
  'with a cookie, an own export needs a recent log-in, and one is made at a time',
  async (t) => {
    const { app, ada, db, databases } = await staying(t)
    const url = `/v1/users/${ada.id}/exports`
    const asked = await ada.withCookie('POST', url)
    t.equal(asked.statusCode, 202)
    t.match(asked.json().export, { id: String, status: 'pending', requestedAt: /Z$/, downloads: 0 })
    t.equal((await ada.withToken('POST', url, {})).json().export.id, asked.json().export.id)

    const token = await archived(t, databases, ada)
    const opened = await inject(app, 'POST', '/v1/exports/open', { token })
    const days = (Date.parse(opened.json().export.expiresAt) - Date.now()) / 86_400_000
    t.ok(days > 6.9 && days < 7.1, `for ${days} days`)
    t.equal((await fetchArchive(app, opened)).statusCode, 200)
    const { exports } = (await ada.withCookie('GET', url)).json()
    t.match(exports, [{ id: asked.json().export.id, status: 'ready', downloads: 1 }])
    const vault = { token, password }
    t.equal((await inject(app, 'POST', '/v1/exports/passwords', vault)).statusCode, 410)
    t.not(
      (await ada.withCookie('POST', url)).json().export.id,
      asked.json().export.id,
      'another one',
    )

    await sql`update public.sessions set authenticated_at = now() - interval '16 minutes'`.execute(
      db,
    )
    t.match((await ada.withCookie('POST', url)).json(), {
      status: 403,
      type: '/problems/reauthentication-required',
    })
    t.match((await ada.withCookie('POST', url, { password: 'wrong password' })).json(), {
      status: 403,
      type: '/problems/wrong-password',
    })
    t.equal((await ada.withCookie('POST', url, { password })).statusCode, 202)
  },
)

t.test(
  'rejects an export request for another account, without a session, or too often',
  async (t) => {
    const { app, ada, db } = await staying(t, { RATE_LIMITS: 'on' })
    const eve = await createApiUser(app, 'eve@example.com')
    const url = `/v1/users/${ada.id}/exports`
    t.equal((await eve.withCookie('POST', url)).statusCode, 404)
    t.equal((await eve.withCookie('GET', url)).statusCode, 404)
    t.equal((await inject(app, 'POST', url)).statusCode, 401)
    t.equal((await ada.withCookie('POST', url, { hurry: true })).statusCode, 400)
    for (let n = 0; n < 5; n++) {
      for (const again of ['asked', 'and asked again'])
        t.equal((await ada.withCookie('POST', url)).statusCode, 202, again)
      await sql`update public.exports set status = 'failed', token_nonce = null`.execute(db)
    }
    const refused = await ada.withCookie('POST', url)
    t.match(refused.json(), {
      status: 429,
      type: '/problems/too-many-exports',
      retryAfter: undefined,
    })
    t.ok(Number(refused.headers['retry-after']) > 23 * 3_600)
  },
)

async function staying(t: Test, more: Record<string, string> = {}) {
  const env = { RATE_LIMITS: 'off', EXPORT_DIR: await exportDirOf(t), ...more }
  const { app, db, databaseUrl } = await testApp(t, { env })
  return {
    app,
    db,
    databases: { db, databaseUrl },
    ada: await createApiUser(app, 'ada@example.com'),
  }
}

async function leaving(t: Test) {
  const env = { RATE_LIMITS: 'off', EXPORT_DIR: await exportDirOf(t) }
  const { app, db, databaseUrl } = await testApp(t, { env })
  const ada = await createApiUser(app, 'ada@example.com')
  const entry = { site: 'https://bank.example', username: 'ada', password: '=1+1,"x"' }
  await ada.withCookie('POST', `/v1/users/${ada.id}/passwords`, entry)
  await ada.withCookie('DELETE', `/v1/users/${ada.id}`)
  return { app, ada, db, databases: { db, databaseUrl } }
}

/** Makes the archive as the worker does, and returns the token in the mail about it. */
async function archived(t: Test, { db, databaseUrl }: Databases, ada: ApiUser): Promise<string> {
  const lease = randomUUID()
  const { id: exportId } = await db
    .updateTable('exports')
    .set({ lease })
    .where('status', '=', 'pending')
    .returning('id')
    .executeTakeFirstOrThrow()
  const uploadDir = await exportDirOf(t)
  const [wanted] = await findPendingExports(db, keys, [exportId])
  if (!wanted) throw new Error('nobody wants it')
  const readers = openSnapshotPool(databaseUrl, { max: 1 })
  const made = await makeArchive(readers, openStorage(uploadDir), {
    ...{ lease, uploadDir, plan: await planErasure(db), ...wanted },
    signal: new AbortController().signal,
  })
  await readers.end()
  await publishArchives(db, lease, [{ exportId, ...made }], 'P7D')
  return archiveToken(db, keys, ada.id)
}

interface Databases {
  db: Db
  databaseUrl: string
}

function fetchArchive(
  app: FastifyInstance,
  opened: { cookies: { name: string; value: string }[] },
  headers: Record<string, string> = {},
) {
  return inject(app, 'GET', '/v1/exports/archive', undefined, { ...headers, ...ticketOf(opened) })
}

function ticketOf({ cookies: [ticket] }: { cookies: { name: string; value: string }[] }) {
  return { cookie: `${ticket?.name}=${ticket?.value}` }
}

/** Creates one folder per test. */
function exportDirOf(t: Test): Promise<string> {
  const known = folders.get(t)
  if (known) return known
  const made = mkdtemp(path.join(tmpdir(), 'lethe-'))
  t.teardown(async () => rm(await made, { recursive: true }))
  folders.set(t, made)
  return made
}
