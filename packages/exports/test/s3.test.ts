import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { openArchive, openStorage } from '../src/index.ts'
import { type S3Server, startS3, withS3 } from '../src/testing.ts'
import { anArchive } from './an-archive.ts'
import { key } from './setup.ts'
import { all, holdsForAnyStorage, listed, name, type Place } from './storage-claims.ts'

t.setTimeout(170_000)

t.test('a bucket', withS3, async (t) => {
  const server = await startS3(t)
  t.test('under a prefix', async (t) => holdsForAnyStorage(t, () => aBucket(server, 'a/b/')))

  t.test('what is there is not written over', async (t) => {
    const storage = openStorage((await aBucket(server)).where)
    const [one, bytes] = [name(), randomBytes(1_000)]
    await put(storage, one, bytes)
    const refused = await put(storage, one, randomBytes(1_000)).catch((error) => error)
    t.match(refused, { $metadata: { httpStatusCode: 412 } })
    t.ok(bytes.equals(await all(storage, one)))
  })

  t.test('prefixes keep out of each other', async (t) => {
    const bucket = await server.bucket()
    const prefixes = ['', 'a', 'a/b', 'ab']
    const storages = prefixes.map((prefix) => openStorage(server.urlOf(bucket, prefix)))
    const names = prefixes.map(() => name())
    for (const [n, storage] of storages.entries()) await put(storage, names[n] ?? '', Buffer.of(n))
    for (const [n, storage] of storages.entries()) {
      t.strictSame(await listed(storage), [names[n]], `under "${prefixes[n]}"`)
      for (const [other, one] of names.entries())
        t.equal((await storage.open(one)) !== undefined, other === n)
    }
  })

  t.test('more than one answer can list is listed', async (t) => {
    const { where, lay } = await aBucket(server)
    const names = Array.from({ length: 8 }, name)
    for (const one of names) await lay(one)
    t.strictSame(new Set(await listed(openStorage(where))), new Set(names))
  })

  t.test(
    'an upload whose end nobody could tell us of leaves nothing that can be read',
    async (t) => {
      const { endpoint, completed } = await losesTheEnd(t, server.endpoint)
      const bucket = await server.bucket()
      const storage = openStorage(server.urlOf(bucket, '', endpoint))
      await t.rejects(put(storage, name(), randomBytes(1_000)))
      t.ok(completed() > 0, 'the server had made it an object')
      t.strictSame(await lies(server, bucket, ''), [])
    },
  )

  t.test('an archive that is removed before it is read breaks off', async (t) => {
    const { where } = await aBucket(server)
    const { storage, made } = await anArchive(t, 0, where)
    const opened = await openArchive(storage, { ...made, key })
    await storage.remove([made.fileName])
    await t.rejects(buffer(opened?.stream ?? Readable.from([])), { name: 'NoSuchKey' })
  })

  t.test('who stops reading lets go of the connection', async (t) => {
    const storage = openStorage((await aBucket(server)).where)
    const one = name()
    await put(storage, one, randomBytes(20 * 1024 * 1024))
    const stored = await storage.open(one)
    if (!stored) throw new Error('it is not there')
    // The SDK has 50 connections at most.
    for (let n = 0; n < 60; n++) for await (const _ of stored.read(0, stored.size - 1)) break
    for (let n = 0; n < 60; n++) stored.read(0, 9).destroy()
    t.equal((await buffer(stored.read(0, 9))).length, 10)
  })

  t.test('a bucket that is not there is not taken for an empty one', async (t) => {
    const storage = openStorage(server.urlOf('nowhere'))
    await t.rejects(put(storage, name(), Buffer.of(1)), { name: 'NoSuchBucket' })
    await t.rejects(listed(storage), { name: 'NoSuchBucket' })
    await t.rejects(storage.remove([name()]), { name: 'NoSuchBucket' })
  })
})

const put = (storage: ReturnType<typeof openStorage>, name: string, bytes: Buffer) =>
  storage.put(name, new AbortController().signal, async (sink) => void sink.end(bytes))

async function aBucket(server: S3Server, prefix = ''): Promise<Place> {
  const bucket = await server.bucket()
  return {
    where: server.urlOf(bucket, prefix),
    lies: () => lies(server, bucket, prefix),
    async lay(file) {
      const at = { Bucket: bucket, Key: prefix + file.replace(/\.part$/, '') }
      if (!file.endsWith('.part')) await server.s3.putObject({ ...at, Body: 'x' })
      else {
        const { UploadId } = await server.s3.createMultipartUpload(at)
        await server.s3.uploadPart({ ...at, UploadId, PartNumber: 1, Body: 'x' })
      }
    },
  }
}

async function lies({ s3 }: S3Server, Bucket: string, prefix: string): Promise<string[]> {
  const names: string[] = []
  let ContinuationToken: string | undefined
  do {
    const page = await s3.listObjectsV2({ Bucket, ContinuationToken })
    names.push(...(page.Contents ?? []).map(({ Key = '' }) => Key))
    ContinuationToken = page.NextContinuationToken
  } while (ContinuationToken)
  const { Uploads = [] } = await s3.listMultipartUploads({ Bucket })
  names.push(...Uploads.map(({ Key }) => `${Key}.part`))
  return names.map((name) => name.slice(prefix.length))
}

/** Passes all on but the answers to the end of an upload: there it hangs up. */
async function losesTheEnd(t: Pick<Test, 'teardown'>, server: string) {
  let completed = 0
  const between = createServer((asked, answer) => {
    const { url = '', method, headers } = asked
    const passed = request(new URL(url, server), { method, headers }, (answered) => {
      if (method === 'POST' && url.includes('uploadId=')) {
        answered.resume().once('end', () => {
          completed++
          answer.destroy()
        })
        return
      }
      answer.writeHead(answered.statusCode ?? 502, answered.headers)
      answered.pipe(answer)
    })
    asked.pipe(passed)
  }).listen(0, '127.0.0.1')
  await once(between, 'listening')
  t.teardown(() => between.close())
  const { port } = between.address() as AddressInfo
  return { endpoint: `http://127.0.0.1:${port}`, completed: () => completed }
}
