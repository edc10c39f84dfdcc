import { isLoopbackHost } from '@lethe/config'

/**
 * The absolute URL of what a person saved as a site: Chrome and Firefox import no row without one. Empty where the site
 * is no host, such as "My bank": an invented address would offer the password to whoever registers it.
 */
export function siteUrl(site: string): string {
  const text = site.trim()
  // A site with a scheme stays as it is: `android://…` is one that Chrome knows.
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) return URL.canParse(text) ? text : ''
  if (!/^[\p{L}\p{N}[]/u.test(text) || text.includes('\\')) return ''
  const url = URL.parse(`https://${text}`)
  if (!url || url.username || url.password || !looksLikeHost(url)) return ''
  // A server on the person's own machine rarely has a certificate, and its traffic crosses no network.
  return `${isLoopbackHost(url.hostname) ? 'http' : 'https'}://${text}`
}

/** A single word is more likely a name than a host, unless a port follows it. */
function looksLikeHost({ hostname, port }: URL): boolean {
  return /[^.]\.[^.]|^\[/.test(hostname) || port !== '' || isLoopbackHost(hostname)
}
