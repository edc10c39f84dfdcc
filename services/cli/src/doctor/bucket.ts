import { randomUUID } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import { type Bucket, openBucket } from '@lethe/archive'
import { type Finding, ok, warning, why, wrong } from './finding.ts'

const CONTENT = Buffer.from('x')

/** Does once what the services do, with an object of its own that no service mistakes for an archive. */
export async function checkBucket(url: string): Promise<Finding[]> {
  const bucket = openBucket(url)
  const name = `.lethe-doctor-${randomUUID()}`
  let step = 'written to'
  try {
    await bucket.put(name, new AbortController().signal, async (sink) => void sink.end(CONTENT))
    step = 'read from'
    await readBack(bucket, name)
    step = 'listed'
    for await (const _ of bucket.list()) break
    step = 'removed from'
    const isGone = await bucket.removeOne(name)
    return [
      isGone
        ? ok(`${quoted(url)} can be written to, read, listed and removed from`)
        : keepsVersions(url),
    ]
  } catch (error) {
    await bucket.removeOne(name).catch(() => {})
    return [wrong(`${quoted(url)} cannot be ${step}${why(error)}`, remedyFor(error as S3Error))]
  }
}

const quoted = (url: string) => JSON.stringify(url)

async function readBack(bucket: Bucket, name: string): Promise<void> {
  const stored = await bucket.open(name)
  const read = stored && (await buffer(stored.read(0, stored.size - 1)))
  if (!read?.equals(CONTENT)) throw Object.assign(new Error(), { code: 'EDAMAGED' })
}

const keepsVersions = (url: string) =>
  warning(
    `${quoted(url)} keeps an encrypted version of every removed archive, as long as its versioning says`,
    'suspend its versioning, or add a lifecycle rule that removes noncurrent versions',
  )

type S3Error = Error & { $metadata?: { httpStatusCode?: number } }

const credentialErrors = ['CredentialsProviderError', 'InvalidAccessKeyId', 'SignatureDoesNotMatch']

function remedyFor({ name, $metadata }: S3Error): string {
  if (name === 'NoSuchBucket') return 'create the bucket, or correct EXPORT_DIR'
  if (credentialErrors.includes(name))
    return 'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this machine a role'
  if ($metadata?.httpStatusCode === 403)
    return 'grant the rights that docs/operations.md lists under S3'
  return 'check that the server answers, or correct endpoint and region in EXPORT_DIR'
}
