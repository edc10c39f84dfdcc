import type { S3 } from '@aws-sdk/client-s3'

export interface S3Place {
  bucket: string
  /** What all keys begin with: nothing, or ending with a slash. */
  prefix: string
  endpoint: string | undefined
  region: string | undefined
}

/** `s3://BUCKET/PREFIX?endpoint=…&region=…`, of which the bucket alone must be there. */
export function readS3Url(url: string): S3Place {
  const { hostname, pathname, searchParams } = new URL(url)
  const prefix = pathname.slice(1)
  return {
    bucket: hostname,
    prefix: prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`,
    endpoint: searchParams.get('endpoint') ?? undefined,
    region: searchParams.get('region') ?? undefined,
  }
}

/** Credentials, and the region where none is named, come from where the SDK looks for them: environment, files, the machine's role. */
export async function connectS3({ endpoint, region }: S3Place): Promise<S3> {
  // It takes 25 MB of memory, and most installations have a folder.
  const { S3 } = await import('@aws-sdk/client-s3')
  return new S3({
    ...(endpoint && { endpoint, forcePathStyle: true, region: 'us-east-1' }),
    ...(region && { region }),
    // Each part is signed with its SHA-256, and archives are sealed: the checksums that the SDK would add say nothing
    // new, and servers other than Amazon's stumble over them.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      // Without them a server that falls silent would be waited for without end.
      ...{ connectionTimeout: 5_000, socketTimeout: 60_000 },
      // People who download slowly would otherwise take the fifty that there are from everybody else.
      ...{ httpAgent: { maxSockets: Infinity }, httpsAgent: { maxSockets: Infinity } },
    },
  })
}
