import { type Finding, ok, warning } from './finding.ts'

/** The API speaks plain HTTP. With an `https:` PUBLIC_URL every request therefore arrives through a proxy. */
export function checkProxy({
  publicUrl,
  trustProxy,
}: {
  publicUrl: string
  trustProxy: string[]
}): Finding[] {
  if (!publicUrl.startsWith('https:')) return [ok('no proxy is needed for plain http:')]
  if (trustProxy.length > 0) return [ok(`X-Forwarded-* is trusted from ${trustProxy.join(', ')}`)]
  return [
    warning(
      'is empty, and PUBLIC_URL is https: all callers share the address of the proxy, and its rate limits',
      'set TRUST_PROXY to the address of the proxy, as the API sees it',
    ),
  ]
}
