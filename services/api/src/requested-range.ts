import type { IncomingHttpHeaders } from 'node:http'

/** Byte offsets, both inclusive. */
export interface Range {
  start: number
  end: number
}

/**
 * The byte range that the request asks for (RFC 9110 §14). Undefined means that the whole archive is the answer: no Range
 * header, several ranges, a malformed one, or an `If-Range` that names another version.
 */
export function requestedRange(
  headers: IncomingHttpHeaders,
  bytes: number,
  etag: string,
): Range | 'unsatisfiable' | undefined {
  const { range } = headers
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(range ?? '')
  const ifRange = headers['if-range']
  if (!match || (ifRange !== undefined && ifRange !== etag)) return undefined
  const [, first = '', last = ''] = match
  if (first === '' && last === '') return undefined
  if (first === '') {
    if (Number(last) === 0) return 'unsatisfiable'
    return { start: Math.max(0, bytes - Number(last)), end: bytes - 1 }
  }
  if (last !== '' && Number(last) < Number(first)) return undefined
  if (Number(first) >= bytes) return 'unsatisfiable'
  return {
    start: Number(first),
    end: last === '' ? bytes - 1 : Math.min(Number(last), bytes - 1),
  }
}
