import { PassThrough, type Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type {
  ListMultipartUploadsCommandOutput,
  ListObjectsV2CommandOutput,
  S3,
} from '@aws-sdk/client-s3'
import { createPartSink } from './in-parts.ts'
import { connectS3, readS3Url } from './s3-client.ts'
import type { Storage } from './storage.ts'

/** A `Storage` for any names without a slash. */
export interface Bucket extends Storage {
  /** Resolves to false if the bucket keeps versions, so that the object was only hidden and not removed. */
  removeOne(name: string): Promise<boolean>
}

/** Opens the objects whose keys start with the URL's prefix. Connects at the first use. */
export function openBucket(url: string): Bucket {
  const location = readS3Url(url)
  const { bucket: Bucket, prefix } = location
  const objectAt = (name: string) => ({ Bucket, Key: prefix + name })
  let connected: Promise<S3> | undefined
  const client = () => (connected ??= connectS3(location))

  const removeOne = async (name: string) => {
    const s3 = await client()
    // Abort uploads first: one of them could still become an object.
    for await (const uploads of listUploads(s3, Bucket, prefix + name))
      for (const { Key, UploadId } of uploads)
        if (Key === prefix + name) await abortUpload(s3, { Bucket, Key, UploadId })
    const { DeleteMarker } = await s3.deleteObject(objectAt(name))
    return DeleteMarker !== true
  }

  return {
    async put(name, signal, write) {
      const s3 = await client()
      const { UploadId } = await s3.createMultipartUpload(objectAt(name))
      const upload = { ...objectAt(name), UploadId }
      const parts = createPartSink(async (PartNumber, Body) => {
        const part = { ...upload, PartNumber, Body }
        const { ETag } = await s3.uploadPart(part, { abortSignal: signal })
        return { PartNumber, ETag }
      })
      try {
        await write(parts.sink)
        const Parts = await parts.finish()
        signal.throwIfAborted()
        // Not abortable: after a cut connection the caller would not know whether the object exists.
        // `IfNoneMatch`: an existing object belongs to another writer and must not be overwritten.
        await s3.completeMultipartUpload({
          ...upload,
          MultipartUpload: { Parts },
          IfNoneMatch: '*',
        })
      } catch (error) {
        await parts.settled()
        // If this fails, the upload is still listed, and the sweep removes it.
        await undoUpload(s3, upload).catch(() => {})
        throw error
      }
    },
    async open(name) {
      const s3 = await client()
      const found = await s3.headObject(objectAt(name)).catch(undefinedIfMissing)
      if (!found) return undefined
      return {
        size: found.ContentLength ?? 0,
        read: (first, last) =>
          readRange(s3, { ...objectAt(name), Range: `bytes=${first}-${last}` }),
        // Nothing to close: each read has its own connection and releases it.
        close: async () => {},
      }
    },
    async modifiedAt(name) {
      const s3 = await client()
      for await (const uploads of listUploads(s3, Bucket, prefix + name)) {
        const begun = uploads.find(({ Key }) => Key === prefix + name)
        if (begun) return begun.Initiated ?? new Date()
      }
      const found = await s3.headObject(objectAt(name)).catch(undefinedIfMissing)
      return found && (found.LastModified ?? new Date())
    },
    async remove(names) {
      for (const name of names) await removeOne(name)
    },
    removeOne,
    async *list() {
      const s3 = await client()
      const pages = [listObjects(s3, Bucket, prefix), listUploads(s3, Bucket, prefix)]
      for (const page of pages)
        for await (const found of page)
          if (found.length > 0) yield found.map(({ Key = '' }) => Key.slice(prefix.length))
    },
  }
}

type Upload = { Bucket: string; Key: string; UploadId: string | undefined }

/** If the upload no longer exists, it was completed and the response was lost: then the object is deleted. */
async function undoUpload(s3: S3, upload: Upload): Promise<void> {
  const { Bucket, Key } = upload
  if (!(await abortUpload(s3, upload))) await s3.deleteObject({ Bucket, Key })
}

/** False if the upload was already aborted or completed. */
function abortUpload(s3: S3, upload: Upload): Promise<boolean> {
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

async function* listObjects(s3: S3, Bucket: string, Prefix: string) {
  let more: { ContinuationToken?: string | undefined } | undefined = {}
  while (more) {
    const page: ListObjectsV2CommandOutput = await s3.listObjectsV2({
      Bucket,
      Prefix,
      Delimiter: '/',
      ...more,
    })
    yield page.Contents ?? []
    const { NextContinuationToken: ContinuationToken } = page
    more = ContinuationToken ? { ContinuationToken } : undefined
  }
}

async function* listUploads(s3: S3, Bucket: string, Prefix: string) {
  let more: { KeyMarker?: string; UploadIdMarker?: string | undefined } | undefined = {}
  while (more) {
    const page: ListMultipartUploadsCommandOutput = await s3.listMultipartUploads({
      Bucket,
      Prefix,
      Delimiter: '/',
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
