import { type Finding, ok, warning } from './finding.ts'

export function checkPublicUrl({
  publicUrl,
  production,
}: {
  publicUrl: string
  production: boolean
}): Finding[] {
  if (!production || publicUrl.startsWith('https:')) return [ok(publicUrl)]
  return [
    warning(
      `${publicUrl}: links and cookies are sent unprotected, even where a proxy terminates TLS`,
      'set PUBLIC_URL to https://…',
    ),
  ]
}
