import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { until } from '@lethe/machine-speed'
import t, { type Test } from 'tap'
import { openArchive, openBucket, openStorage } from '../src/index.ts'
import { PART_BYTES } from '../src/storage/in-parts.ts'
import { type S3Server, startS3, withS3 } from '../testing/index.ts'
import { key } from './setup.ts'
import {
  listAll,
  newName,
  readAll,
  type StorageUnderTest,
  testStorageContract,
} from './storage-contract.ts'
import { createTestArchive } from './test-archive.ts'

t.test('a bucket', withS3, async (t) => {
  const server = await startS3(t)
  t.test('under a prefix', async (t) => testStorageContract(t, () => createBucket(server, 'a/b/')))

  t.test('does not overwrite an object', async (t) => {
    const storage = openStorage((await createBucket(server)).where)
    const [one, bytes] = [newName(), randomBytes(1_000)]
    await put(storage, one, bytes)
    const refused = await put(storage, one, randomBytes(1_000)).catch((error) => error)
    t.match(refused, { $metadata: { httpStatusCode: 412 } })
    t.ok(bytes.equals(await readAll(storage, one)))
  })

  t.test('an abort between the last part and the end leaves nothing', async (t) => {
    const Bucket = await server.bucket()
    const storage = openStorage(server.urlOf(Bucket))
    const [one, stop] = [newName(), new AbortController()]
    const stopped = storage.put(one, stop.signal, async (sink) => {
      sink.end(randomBytes(PART_BYTES))
      await until('one part is stored', async () => {
        const { Uploads = [] } = await server.s3.listMultipartUploads({ Bucket })
        const upload = { Bucket, Key: one, UploadId: Uploads[0]?.UploadId }
        return (await server.s3.listParts(upload)).Parts?.length === 1
      })
      stop.abort()
    })
    await t.rejects(stopped, { name: 'AbortError' })
    t.strictSame(await listFiles(server, Bucket, ''), [])
  })

  t.test('prefixes are separate', async (t) => {
    const bucket = await server.bucket()
    const prefixes = ['', 'a', 'a/b', 'ab']
    const storages = prefixes.map((prefix) => openBucket(server.urlOf(bucket, prefix)))
    const names = prefixes.map(() => newName())
    for (const [n, storage] of storages.entries()) await put(storage, names[n] ?? '', Buffer.of(n))
    for (const [n, storage] of storages.entries()) {
      t.strictSame(await listAll(storage), [names[n]], `under "${prefixes[n]}"`)
      for (const [other, one] of names.entries())
        t.equal((await storage.open(one)) !== undefined, other === n)
    }
  })

  t.test('lists more objects than one response contains', async (t) => {
    const { where, addFile } = await createBucket(server)
    const names = Array.from({ length: 8 }, newName)
    for (const one of names) await addFile(one)
    t.strictSame(new Set(await listAll(openStorage(where))), new Set(names))
  })

  t.test('an upload whose completion was lost leaves nothing that can be read', async (t) => {
    const { endpoint, completed } = await startProxy(t, server.endpoint, {
      dropsCompletion: true,
    })
    const bucket = await server.bucket()
    const storage = openStorage(server.urlOf(bucket, '', endpoint))
    await t.rejects(put(storage, newName(), randomBytes(1_000)))
    t.ok(completed() > 0, 'the server had completed the object')
    t.strictSame(await listFiles(server, bucket, ''), [])
  })

  t.test('reading an archive that was removed fails', async (t) => {
    const { where } = await createBucket(server)
    const { storage, made } = await createTestArchive(t, 0, where)
    const opened = await openArchive(storage, { ...made, key })
    await storage.remove([made.fileName])
    await t.rejects(buffer(opened?.stream ?? Readable.from([])), { name: 'NoSuchKey' })
  })

  t.test(
    'reads any number at the same time, and a destroyed read releases its connection',
    async (t) => {
      const { endpoint, connections } = await startProxy(t, server.endpoint)
      const storage = openStorage(server.urlOf(await server.bucket(), '', endpoint))
      const one = newName()
      await put(storage, one, randomBytes(20 * 1024 * 1024))
      const stored = await storage.open(one)
      if (!stored) throw new Error('it is not there')
      const reads = Array.from({ length: 60 }, () => stored.read(0, stored.size - 1))
      await Promise.all(reads.map((read) => once(read, 'readable')))
      t.ok((await connections()) >= 60)
      for (const read of [...reads, stored.read(0, 9)]) read.destroy()
      await until('most connections are closed', async () => (await connections()) < 10)
      t.equal((await buffer(stored.read(0, 9))).length, 10)
    },
  )

  t.test('a destroyed read does not wait for a silent server', async (t) => {
    const bucket = await server.bucket()
    const one = newName()
    await put(openStorage(server.urlOf(bucket)), one, Buffer.of(1))
    const { endpoint, connections } = await startProxy(t, server.endpoint, { ignoresReads: true })
    const stored = await openStorage(server.urlOf(bucket, '', endpoint)).open(one)
    const read = stored?.read(0, 0)
    await until('one connection is open', async () => (await connections()) === 1)
    read?.destroy()
    await until('no connection is open', async () => (await connections()) === 0)
  })

  t.test('a missing bucket does not count as empty', async (t) => {
    const storage = openStorage(server.urlOf('nowhere'))
    await t.rejects(put(storage, newName(), Buffer.of(1)), { name: 'NoSuchBucket' })
    await t.rejects(listAll(storage), { name: 'NoSuchBucket' })
    await t.rejects(storage.remove([newName()]), { name: 'NoSuchBucket' })
  })
})

const put = (storage: ReturnType<typeof openStorage>, name: string, bytes: Buffer) =>
  storage.put(name, new AbortController().signal, async (sink) => void sink.end(bytes))

async function createBucket(server: S3Server, prefix = ''): Promise<StorageUnderTest> {
  const bucket = await server.bucket()
  return {
    where: server.urlOf(bucket, prefix),
    listFiles: () => listFiles(server, bucket, prefix),
    async addFile(file) {
      const at = { Bucket: bucket, Key: prefix + file.replace(/\.part$/, '') }
      if (!file.endsWith('.part')) await server.s3.putObject({ ...at, Body: 'x' })
      else {
        const { UploadId } = await server.s3.createMultipartUpload(at)
        await server.s3.uploadPart({ ...at, UploadId, PartNumber: 1, Body: 'x' })
      }
    },
  }
}

async function listFiles({ s3 }: S3Server, Bucket: string, prefix: string): Promise<string[]> {
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

/** Forwards all requests. `dropsCompletion` loses the response to the end of an upload; `ignoresReads` never answers a GET. */
async function startProxy(
  t: Pick<Test, 'teardown'>,
  server: string,
  { dropsCompletion = false, ignoresReads = false } = {},
) {
  let completed = 0
  const proxy = createServer((asked, answer) => {
    const { url = '', method, headers } = asked
    if (ignoresReads && method === 'GET') return
    const passed = request(new URL(url, server), { method, headers }, (answered) => {
      if (dropsCompletion && method === 'POST' && url.includes('uploadId=')) {
        answered.resume().once('end', () => {
          completed++
          answer.destroy()
        })
        return
      }
      answer.writeHead(answered.statusCode ?? 502, answered.headers)
      answered.pipe(answer)
    })
    passed.on('error', () => answer.destroy())
    answer.once('close', () => passed.destroy())
    asked.pipe(passed)
  }).listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  t.teardown(() => proxy.close())
  const { port } = proxy.address() as AddressInfo
  return {
    endpoint: `http://127.0.0.1:${port}`,
    completed: () => completed,
    connections: () => promisify(proxy.getConnections.bind(proxy))(),
  }
}
