import { PassThrough, type Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type {
  ListMultipartUploadsCommandOutput,
  ListObjectsV2CommandOutput,
  S3,
} from '@aws-sdk/client-s3'
import { inParts } from './in-parts.ts'
import { connectS3, readS3Url } from './s3-client.ts'
import type { Storage } from './storage.ts'

/** A `Storage` for names of any kind, as long as they hold no slash. */
export interface Bucket extends Storage {
  /** For good, or, where the bucket keeps versions, only out of sight: then it answers false. */
  removeOne(name: string): Promise<boolean>
}

/** The objects whose keys begin with the prefix of this URL. Nothing is connected before it is needed. */
export function openBucket(url: string): Bucket {
  const place = readS3Url(url)
  const { bucket: Bucket, prefix } = place
  const at = (name: string) => ({ Bucket, Key: prefix + name })
  let connected: Promise<S3> | undefined
  const client = () => (connected ??= connectS3(place))

  const removeOne = async (name: string) => {
    const s3 = await client()
    // First what may become an object, then the object.
    for await (const uploads of begunUploads(s3, Bucket, prefix + name))
      for (const { Key, UploadId } of uploads)
        if (Key === prefix + name) await endUpload(s3, { Bucket, Key, UploadId })
    const { DeleteMarker } = await s3.deleteObject(at(name))
    return DeleteMarker !== true
  }

  return {
    async put(name, signal, write) {
      const s3 = await client()
      const { UploadId } = await s3.createMultipartUpload(at(name))
      const upload = { ...at(name), UploadId }
      const parts = inParts(async (PartNumber, Body) => {
        const part = { ...upload, PartNumber, Body }
        const { ETag } = await s3.uploadPart(part, { abortSignal: signal })
        return { PartNumber, ETag }
      })
      try {
        await write(parts.sink)
        const Parts = await parts.finish()
        signal.throwIfAborted()
        // From here on it is not stopped: whoever hangs up does not learn whether the object is there.
        // `IfNoneMatch`: one that is there belongs to somebody else, and is not ours to overwrite.
        await s3.completeMultipartUpload({
          ...upload,
          MultipartUpload: { Parts },
          IfNoneMatch: '*',
        })
      } catch (error) {
        await parts.settled()
        // What cannot be undone now is listed, and removed by whoever sweeps.
        await undo(s3, upload).catch(() => {})
        throw error
      }
    },
    async open(name) {
      const s3 = await client()
      const found = await s3.headObject(at(name)).catch(undefinedIfMissing)
      if (!found) return undefined
      return {
        size: found.ContentLength ?? 0,
        read: (first, last) => readRange(s3, { ...at(name), Range: `bytes=${first}-${last}` }),
        // Each read has a connection of its own, and gives it back.
        close: async () => {},
      }
    },
    async modifiedAt(name) {
      const s3 = await client()
      for await (const uploads of begunUploads(s3, Bucket, prefix + name)) {
        const begun = uploads.find(({ Key }) => Key === prefix + name)
        if (begun) return begun.Initiated ?? new Date()
      }
      const found = await s3.headObject(at(name)).catch(undefinedIfMissing)
      return found && (found.LastModified ?? new Date())
    },
    async remove(names) {
      for (const name of names) await removeOne(name)
    },
    removeOne,
    async *list() {
      const s3 = await client()
      const pages = [storedObjects(s3, Bucket, prefix), begunUploads(s3, Bucket, prefix)]
      for (const page of pages)
        for await (const found of page)
          if (found.length > 0) yield found.map(({ Key = '' }) => Key.slice(prefix.length))
    },
  }
}

type Upload = { Bucket: string; Key: string; UploadId: string | undefined }

/** An upload that is not under way any more was completed, though we were not told: then what it made goes. */
async function undo(s3: S3, upload: Upload): Promise<void> {
  const { Bucket, Key } = upload
  if (!(await endUpload(s3, upload))) await s3.deleteObject({ Bucket, Key })
}

/** False where it was ended or completed before. */
function endUpload(s3: S3, upload: Upload): Promise<boolean> {
  return s3.abortMultipartUpload(upload).then(
    () => true,
    (error) => undefinedIfMissing(error) ?? false,
  )
}

function readRange(s3: S3, range: { Bucket: string; Key: string; Range: string }): Readable {
  const stop = new AbortController()
  const bytes = new PassThrough().once('close', () => stop.abort())
  s3.getObject(range, { abortSignal: stop.signal })
    .then(({ Body }) => pipeline(Body as Readable, bytes))
    .catch((error) => bytes.destroy(error))
  return bytes
}

async function* storedObjects(s3: S3, Bucket: string, Prefix: string) {
  let more: { ContinuationToken?: string | undefined } | undefined = {}
  while (more) {
    const page: ListObjectsV2CommandOutput = await s3.listObjectsV2({
      ...{ Bucket, Prefix, Delimiter: '/' },
      ...more,
    })
    yield page.Contents ?? []
    const { NextContinuationToken: ContinuationToken } = page
    more = ContinuationToken ? { ContinuationToken } : undefined
  }
}

async function* begunUploads(s3: S3, Bucket: string, Prefix: string) {
  let more: { KeyMarker?: string; UploadIdMarker?: string | undefined } | undefined = {}
  while (more) {
    const page: ListMultipartUploadsCommandOutput = await s3.listMultipartUploads({
      ...{ Bucket, Prefix, Delimiter: '/' },
      ...more,
    })
    yield page.Uploads ?? []
    const { IsTruncated, NextKeyMarker: KeyMarker, NextUploadIdMarker: UploadIdMarker } = page
    more = IsTruncated && KeyMarker ? { KeyMarker, UploadIdMarker } : undefined
  }
}

/** NotFound, NoSuchKey or NoSuchUpload. */
function undefinedIfMissing(error: { $metadata?: { httpStatusCode?: number } }): undefined {
  if (error.$metadata?.httpStatusCode !== 404) throw error
}
