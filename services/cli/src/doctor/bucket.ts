import { randomUUID } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import { type Bucket, openBucket } from '@lethe/archive'
import { type Finding, ok, warning, why, wrong } from './finding.ts'

const CONTENT = Buffer.from('x')

/** What the services do there is done once, with an object of its own that no service takes for an archive. */
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
    return [isGone ? ok(`${shown(url)} can be written, read, listed and removed from`) : keeps(url)]
  } catch (error) {
    await bucket.removeOne(name).catch(() => {})
    return [wrong(`${shown(url)} cannot be ${step}${why(error)}`, remedyFor(error as S3Error))]
  }
}

const shown = (url: string) => JSON.stringify(url)

async function readBack(bucket: Bucket, name: string): Promise<void> {
  const stored = await bucket.open(name)
  const read = stored && (await buffer(stored.read(0, stored.size - 1)))
  if (!read?.equals(CONTENT)) throw Object.assign(new Error(), { code: 'EDAMAGED' })
}

const keeps = (url: string) =>
  warning(
    `${shown(url)} keeps a version of what is removed, sealed, for as long as the bucket says`,
    'suspend its versioning, or let a lifecycle rule remove noncurrent versions',
  )

type S3Error = Error & { $metadata?: { httpStatusCode?: number } }

const unknown = ['CredentialsProviderError', 'InvalidAccessKeyId', 'SignatureDoesNotMatch']

function remedyFor({ name, $metadata }: S3Error): string {
  if (name === 'NoSuchBucket') return 'make the bucket, or correct EXPORT_DIR'
  if (unknown.includes(name))
    return 'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this machine a role'
  if ($metadata?.httpStatusCode === 403)
    return 'grant the rights that docs/operations.md lists under S3'
  return 'see to it that the server answers, or correct endpoint and region in EXPORT_DIR'
}
