import { isLoopbackHost } from '@lethe/config'

/**
 * The absolute URL of a saved site: Chrome and Firefox skip imported rows without one. Empty where the site is no host,
 * such as "My bank": browsers would offer the password to the site of a stranger who registers an invented address.
 */
export function siteUrl(site: string): string {
  const text = site.trim()
  // A site with a scheme is kept as it is; Chrome understands `android://…`.
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) return URL.canParse(text) ? text : ''
  if (!/^[\p{L}\p{N}[]/u.test(text) || text.includes('\\')) return ''
  const url = URL.parse(`https://${text}`)
  if (!url || url.username || url.password || !looksLikeHost(url)) return ''
  // A server on the person's own machine rarely has a certificate, and its traffic does not leave the machine.
  return `${isLoopbackHost(url.hostname) ? 'http' : 'https'}://${text}`
}

/** A single word without a port is more likely a name than a host. */
function looksLikeHost({ hostname, port }: URL): boolean {
  return /[^.]\.[^.]|^\[/.test(hostname) || port !== '' || isLoopbackHost(hostname)
}
