/** `PUBLIC_URL/deletion/cancel#token=…`: the token stands in the fragment, which no browser sends to a server. */
export function cancelLink(publicUrl: string, token: string): string {
  return link(publicUrl, '/deletion/cancel', token)
}

/** `PUBLIC_URL/export#token=…` */
export function exportLink(publicUrl: string, token: string): string {
  return link(publicUrl, '/export', token)
}

/** "your account at example.org": whose mail this is, without a word that a stranger chose. */
export function yourAccount(publicUrl: string): string {
  return `your account at ${new URL(publicUrl).host}`
}

function link(publicUrl: string, path: string, token: string): string {
  return `${publicUrl.replace(/\/+$/, '')}${path}#token=${encodeURIComponent(token)}`
}
