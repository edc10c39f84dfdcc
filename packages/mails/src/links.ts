/** `PUBLIC_URL/deletion/cancel#token=…`: the token is in the fragment, which browsers do not send to the server. */
export function cancelLink(publicUrl: string, token: string): string {
  return link(publicUrl, '/deletion/cancel', token)
}

/** `PUBLIC_URL/export#token=…` */
export function exportLink(publicUrl: string, token: string): string {
  return link(publicUrl, '/export', token)
}

/** "your account at example.org": identifies the account without text that a stranger could have chosen. */
export function yourAccount(publicUrl: string): string {
  return `your account at ${new URL(publicUrl).host}`
}

function link(publicUrl: string, path: string, token: string): string {
  return `${publicUrl.replace(/\/+$/, '')}${path}#token=${encodeURIComponent(token)}`
}
