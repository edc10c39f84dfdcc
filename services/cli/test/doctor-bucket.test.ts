import { credentials, type S3Server, startS3, withS3 } from '@lethe/archive/testing'
import t from 'tap'
import { asProcess } from './as-process.ts'
import { healthy } from './healthy.ts'
import { muteServer } from './mute-server.ts'

t.test('a healthy bucket is ok, and is left unchanged', withS3, async (t) => {
  const { doctor } = await healthy(t)
  const server = await startS3(t)
  const bucket = await server.bucket()
  for (const prefix of ['', 'lethe']) {
    const { code, text, faults } = await doctor({ EXPORT_DIR: server.urlOf(bucket, prefix) })
    t.strictSame({ code, faults }, { code: 0, faults: [] })
    t.match(text, /^ok +EXPORT_DIR +"s3:.*can be written to, read, listed and removed from$/m)
  }
  t.strictSame(await left(server, bucket), [])
})

t.test('warns about a bucket that keeps versions', withS3, async (t) => {
  const { doctor } = await healthy(t)
  const server = await startS3(t)
  const Bucket = await server.bucket()
  const VersioningConfiguration = { Status: 'Enabled' } as const
  await server.s3.putBucketVersioning({ Bucket, VersioningConfiguration })
  const { code, text, faults } = await doctor({ EXPORT_DIR: server.urlOf(Bucket) })
  t.strictSame({ code, faults }, { code: 0, faults: ['warning EXPORT_DIR'] })
  t.match(text, /→ suspend its versioning/)
})

t.test('reports a missing bucket and a missing server', withS3, async (t) => {
  const { doctor } = await healthy(t)
  const server = await startS3(t)
  const mute = await muteServer(t)
  for (const [url, line, remedy] of [
    [server.urlOf('nowhere'), /cannot be written to \(NoSuchBucket\)/, /→ create the bucket/],
    ['s3://exports?endpoint=http://127.0.0.1:1', /\(ECONNREFUSED\)/, /→ check that the server/],
    ['s3://exports?endpoint=http://nowhere.invalid', /\(E[A-Z_]+\)/, /→ check that the server/],
    [`s3://exports?endpoint=http://127.0.0.1:${mute}`, /\(ETIMEDOUT\)/, /→ /],
  ] as const) {
    const { code, text, faults } = await doctor({ EXPORT_DIR: url })
    // The mark of the bucket cannot be read from an unavailable server either.
    const [fault, ...others] = faults
    t.strictSame({ code, fault }, { code: 1, fault: 'wrong EXPORT_DIR' }, url)
    t.ok(
      others.every((other) => other === 'wrong folders'),
      others.join(),
    )
    t.match(text, line)
    t.match(text, remedy)
  }
})

t.test(
  'reports unknown credentials and missing rights without showing a secret',
  withS3,
  async (t) => {
    const { env } = await healthy(t)
    const server = await startS3(t)
    const bucket = { EXPORT_DIR: server.urlOf(await server.bucket()) }
    for (const [given, line, remedy] of [
      [
        { AWS_EC2_METADATA_DISABLED: 'true', HOME: '/nowhere' },
        'CredentialsProviderError',
        'set AWS_',
      ],
      [{ ...credentials, AWS_SECRET_ACCESS_KEY: 'hunter2' }, 'SignatureDoesNotMatch', 'set AWS_'],
      [{ ...credentials, AWS_ACCESS_KEY_ID: 'tests:hunter2' }, 'SignatureDoesNotMatch', 'set AWS_'],
      [{ ...credentials, AWS_ACCESS_KEY_ID: 'tests:stranger' }, 'AccessDenied', 'grant the rights'],
    ] as const) {
      const { code, text, faults } = await asProcess({ ...env, ...bucket, ...given })
      t.strictSame({ code, faults }, { code: 1, faults: ['wrong EXPORT_DIR'] }, line)
      t.match(text, `cannot be written to (${line})`)
      t.match(text, `→ ${remedy}`)
      t.notMatch(text, 'hunter2')
    }
  },
)

t.test('reports a URL that no service accepts, and checks the rest', async (t) => {
  const { doctor } = await healthy(t)
  const { code, text, faults } = await doctor({ EXPORT_DIR: 's3://ada:hunter2@exports' })
  t.strictSame({ code, faults }, { code: 1, faults: ['wrong settings'] })
  t.match(text, /^Skipped because of the failures above: EXPORT_DIR, folders\.$/m)
  t.notMatch(text, /hunter2|ada/)
})

async function left({ s3 }: S3Server, Bucket: string) {
  const { Contents = [] } = await s3.listObjectsV2({ Bucket })
  const { Uploads = [] } = await s3.listMultipartUploads({ Bucket })
  return [...Contents, ...Uploads].map(({ Key }) => Key)
}
