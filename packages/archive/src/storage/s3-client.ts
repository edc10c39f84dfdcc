import type { S3 } from '@aws-sdk/client-s3'

export interface S3Location {
  bucket: string
  /** The start of all keys: empty, or ending with a slash. */
  prefix: string
  endpoint: string | undefined
  region: string | undefined
}

/** `s3://BUCKET/PREFIX?endpoint=…&region=…`. Only the bucket is required. */
export function readS3Url(url: string): S3Location {
  const { hostname, pathname, searchParams } = new URL(url)
  const prefix = pathname.slice(1)
  return {
    bucket: hostname,
    prefix: prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`,
    endpoint: searchParams.get('endpoint') ?? undefined,
    region: searchParams.get('region') ?? undefined,
  }
}

/** The SDK finds credentials, and the region if none is given, in the environment, in files or in the machine's role. */
export async function connectS3({ endpoint, region }: S3Location): Promise<S3> {
  // Imported on demand: the SDK takes 25 MB of memory, and most installations use a folder.
  const { S3 } = await import('@aws-sdk/client-s3')
  return new S3({
    ...(endpoint && { endpoint, forcePathStyle: true, region: 'us-east-1' }),
    ...(region && { region }),
    // The SDK's own checksums are redundant: each part is signed with its SHA-256, and archives are sealed.
    // Servers other than Amazon's may reject them.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      // Without timeouts, a silent server would block a request forever.
      connectionTimeout: 5_000,
      socketTimeout: 60_000,
      // The default is fifty sockets, which slow downloads could exhaust for all others.
      httpAgent: { maxSockets: Infinity },
      httpsAgent: { maxSockets: Infinity },
    },
  })
}
