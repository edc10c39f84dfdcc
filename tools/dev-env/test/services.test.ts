import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { testDb } from '@lethe/db/testing'
import t from 'tap'
import { freePort } from '../src/free-port.ts'
import { startServices } from '../src/services.ts'

t.test('a worker whose breaker has tripped counts as started', async (t) => {
  const { db, url } = await testDb(t)
  const trip = { at_once: 9, users: 9, floor: 1, share: 0.1 }
  await db.insertInto('breaker_trips').values(trip).execute()
  const folder = await mkdtemp(path.join(tmpdir(), 'lethe-services-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const port = await freePort()
  const address = `http://127.0.0.1:${port}`
  const { PATH, NODE_COMPILE_CACHE } = process.env
  const env = {
    ...{ PATH, NODE_COMPILE_CACHE, DATABASE_URL: url, SMTP_URL: 'smtp://127.0.0.1:1' },
    ...{ SECRET_KEY: randomBytes(32).toString('base64url'), WORKER_PORT: String(port) },
    ...{ EXPORT_DIR: path.join(folder, 'exports'), UPLOAD_DIR: path.join(folder, 'uploads') },
  }
  const [worker] = await startServices([{ name: 'worker', env, url: address }])
  t.teardown(() => worker?.stop())
  t.match(await (await fetch(`${address}/readyz`)).json(), { type: '/problems/erasure-stopped' })
})
