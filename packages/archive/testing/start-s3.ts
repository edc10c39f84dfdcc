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

/** The Python that `pnpm test` found to have Swift. */
const python = process.env.SWIFT_PYTHON_PATH

/** For tests that need a server of S3. */
export const withS3 = python ? {} : { skip: 'no python3-swift on this machine' }

/** What the tests' own server knows its user by; the SDK looks for it in the environment. */
export const credentials = { AWS_ACCESS_KEY_ID: 'tests:writer', AWS_SECRET_ACCESS_KEY: 'secret' }
Object.assign(process.env, credentials)

export interface S3Server {
  endpoint: string
  /** Another client than the one under test. */
  s3: S3
  /** Makes a bucket, and answers its name. */
  bucket(): Promise<string>
  /** As EXPORT_DIR names it. */
  urlOf(bucket: string, prefix?: string, endpoint?: string): string
}

/** An object store of the test's own: Swift, with the API of S3. It lists three objects at once, where others list a thousand. */
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

/** Empty where it ends before it says anything. */
function firstLine(output: Readable): Promise<string[]> {
  const lines = createInterface(output)
  return Promise.race([once(lines, 'line'), once(lines, 'close')])
}
