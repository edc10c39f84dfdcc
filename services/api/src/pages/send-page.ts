import type { FastifyReply } from 'fastify'

// Everything from here, nothing inline.
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ')

/**
 * A page with a form needs `same-origin`: under `no-referrer` browsers send it with `Origin: null`, which is refused as
 * another site's wherever they send no `Sec-Fetch-Site`, as over plain HTTP.
 */
export type ReferrerPolicy = 'no-referrer' | 'same-origin'

export function sendPage(
  reply: FastifyReply,
  html: string,
  referrerPolicy: ReferrerPolicy = 'no-referrer',
): FastifyReply {
  return reply
    .header('content-security-policy', contentSecurityPolicy)
    .header('referrer-policy', referrerPolicy)
    .header('cache-control', 'no-store')
    .type('text/html; charset=utf-8')
    .send(html)
}
