import type { IncomingHttpHeaders } from 'node:http'

/** Both ends belong to it. */
export interface Range {
  start: number
  end: number
}

/**
 * The one range of bytes that is asked for (RFC 9110 §14): none where there is no such header, where it asks for several
 * or is not understood (all of which may be answered with the whole), or where `If-Range` names another version.
 */
export function requestedRange(
  headers: IncomingHttpHeaders,
  bytes: number,
  etag: string,
): Range | 'unsatisfiable' | undefined {
  const { range } = headers
  const wanted = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(range ?? '')
  const ifRange = headers['if-range']
  if (!wanted || (ifRange !== undefined && ifRange !== etag)) return undefined
  const [, first = '', last = ''] = wanted
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
