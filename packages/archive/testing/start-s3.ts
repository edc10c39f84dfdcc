import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { S3 } from '@aws-sdk/client-s3'
import type { Test } from 'tap'

/** A Python with Swift, found by `pnpm test`. */
const python = process.env.SWIFT_PYTHON_PATH

/** Test options: skips a test that needs an S3 server on a machine without Swift. */
export const withS3 = python ? {} : { skip: 'no python3-swift on this machine' }

/** The credentials of the test server's user. The SDK reads them from the environment. */
export const credentials = { AWS_ACCESS_KEY_ID: 'tests:writer', AWS_SECRET_ACCESS_KEY: 'secret' }
Object.assign(process.env, credentials)

export interface S3Server {
  endpoint: string
  /** A client that bypasses the code under test. */
  s3: S3
  /** Creates a bucket and returns its name. */
  bucket(): Promise<string>
  /** The value of EXPORT_DIR for a bucket. */
  urlOf(bucket: string, prefix?: string, endpoint?: string): string
}

/** Starts an object store for one test: Swift with its S3 API. It lists three objects in a page, others a thousand. */
export async function startS3(t: Pick<Test, 'teardown'>): Promise<S3Server> {
  if (!python) throw new Error('SWIFT_PYTHON_PATH is not set: run the tests with `pnpm test`')
  const folder = await mkdtemp(path.join(tmpdir(), 'lethe-swift-'))
  const script = path.join(import.meta.dirname, 's3-server.py')
  const child = spawn(python, [script, folder], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(async () => {
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    await rm(folder, { recursive: true, force: true })
  })
  const [port] = await firstLine(child.stdout)
  if (port === undefined) throw new Error('Swift did not start.')
  const endpoint = `http://127.0.0.1:${port}`
  const s3 = new S3({ endpoint, region: 'us-east-1', forcePathStyle: true })
  t.teardown(() => s3.destroy())
  return {
    endpoint,
    s3,
    async bucket() {
      const Bucket = `exports-${randomUUID()}`
      await s3.createBucket({ Bucket })
      return Bucket
    },
    urlOf: (bucket, prefix = '', at = endpoint) =>
      `s3://${bucket}/${prefix}?endpoint=${encodeURIComponent(at)}`,
  }
}

/** Empty if the output ends before its first line. */
function firstLine(output: Readable): Promise<string[]> {
  const lines = createInterface(output)
  return Promise.race([once(lines, 'line'), once(lines, 'close')])
}
