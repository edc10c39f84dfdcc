// @ts-check

/**
 * The result of a request: `status` is 0 where no answer came; `code` is the last part of a problem's type.
 * @typedef {{ status: number, code: string, body: any, retryAfter: number }} Reply
 */

/** The token of the link. It stays in the fragment, which browsers do not send; only `post` sends it. */
export function linkToken() {
  return new URLSearchParams(location.hash.slice(1)).get('token') ?? ''
}

/**
 * Sends a POST. Returns the answer's JSON, or a Blob for any other type. Never throws.
 * @param {string} path
 * @param {Record<string, unknown>} body
 * @returns {Promise<Reply>}
 */
export async function post(path, body) {
  try {
    const response = await fetch(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(20_000),
    })
    const isJson = /json/.test(response.headers.get('content-type') ?? '')
    const content = await (isJson ? response.json() : response.blob())
    return {
      status: response.status,
      code: String(content.type).split('/').at(-1) ?? '',
      body: content,
      retryAfter: Number(response.headers.get('retry-after')) || 60,
    }
  } catch {
    return { status: 0, code: '', body: undefined, retryAfter: 0 }
  }
}

/**
 * Says why a request failed and what to do next.
 * @param {Reply} reply
 */
export function reasonOf({ status, retryAfter }) {
  if (status === 0)
    return 'The service could not be reached. Check your connection and try again. It is safe to try twice.'
  if (status === 429)
    return `Too many requests have come from your network. Wait ${seconds(retryAfter)} and try again.`
  if (status >= 500) return 'The service is not available right now. Try again in a minute.'
  return 'The service did not accept this. Reload the page and try again.'
}

/** @param {number} count */
function seconds(count) {
  return count === 1 ? 'a second' : `${count} seconds`
}
