import path from 'node:path'
import type { Running } from './components.ts'
import type { DemoAccount } from './demo-account.ts'
import { shownUrlOf } from './ports.ts'
import type { Settings } from './settings.ts'

/** Lists the addresses and commands to try, once everything runs. */
export function welcome(settings: Settings, running: Running): string {
  const { demo, databaseUrlFile } = running
  const inboxUrl = running.hasInbox ? shownUrlOf(settings.inbox) : undefined
  const api = shownUrlOf(settings.api)
  const worker = shownUrlOf(settings.worker)
  const places = [
    ['API', `${api}/docs`, 'all routes, with documentation'],
    ['Worker', `${worker}/queue`, 'its queue; /metrics and /readyz beside it'],
    ...(inboxUrl ? [['Inbox', inboxUrl, 'every mail that Lethe sends, as it arrives']] : []),
  ]
  const longest = Math.max(...places.map(([, url = '']) => url.length))
  return [
    '',
    'Lethe is ready.',
    '',
    ...places.map(
      ([name = '', url = '', what]) => `  ${name.padEnd(8)}${url.padEnd(longest + 3)}${what}`,
    ),
    '',
    ...(demo
      ? [
          `The demo account is ${demo.email} with the password ${demo.password}`,
          'This password is shown only once.',
          '',
        ]
      : []),
    'Try it in another terminal:',
    '',
    ...commandsToTry(api, inboxUrl, path.join(settings.dataDir, 'cookies'), demo).map(
      (line) => `  ${line}`,
    ),
    '',
    ...(databaseUrlFile
      ? [
          'To be an administrator:',
          '',
          `  DATABASE_URL=$(cat ${quote(databaseUrlFile)}) npx --yes pnpm@12 lethe users promote EMAIL`,
          '',
        ]
      : []),
    `Data stays in ${settings.dataDir}. Ctrl-C stops everything.`,
  ].join('\n')
}

/** Commands that log in, delete the account and look at the mail; each can be pasted into a shell. */
function commandsToTry(
  api: string,
  inboxUrl: string | undefined,
  jar: string,
  demo: DemoAccount | undefined,
): string[] {
  const json = "-H 'content-type: application/json'"
  const look = inboxUrl ? [`sleep 2; curl ${inboxUrl}/api/mails`] : []
  const pair = ({ email, password }: Omit<DemoAccount, 'id'>) =>
    quote(JSON.stringify({ email, password }))
  if (demo)
    return [
      `curl -c ${quote(jar)} ${json} -d ${pair(demo)} ${api}/v1/sessions`,
      `curl -b ${quote(jar)} -X DELETE ${api}/v1/users/${demo.id}`,
      ...look,
    ]
  const someone = {
    email: `try-${Date.now().toString(36)}@example.com`,
    password: 'try it and see',
  }
  const id = `sed 's/.*"id":\\([0-9]*\\).*/\\1/'`
  return [
    `id=$(curl -s ${json} -d ${pair(someone)} ${api}/v1/users | ${id})`,
    `curl -c ${quote(jar)} ${json} -d ${pair(someone)} ${api}/v1/sessions`,
    `curl -b ${quote(jar)} -X DELETE ${api}/v1/users/$id`,
    ...look,
  ]
}

/** Quotes an argument for a POSIX shell. */
function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
