import type { FastifyReply } from 'fastify'

// Same origin only, nothing inline.
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
 * A page with a form needs `same-origin`: with `no-referrer` browsers send the form with `Origin: null`, which the
 * cross-site check rejects where they send no `Sec-Fetch-Site`, as over plain HTTP.
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
