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
      `${publicUrl}: links and cookies travel unprotected, even where TLS ends in front`,
      'set PUBLIC_URL to https://…',
    ),
  ]
}
