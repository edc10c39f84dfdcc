import type { Handlers } from '@lethe/queue'
import type { HandlerDeps } from '../deps.ts'
import { eraseAccounts } from './erase-accounts.ts'
import { exportAccounts } from './export-accounts.ts'
import { sendMail } from './send-mail.ts'

/** Each of them may be run twice: whoever comes second finds the lease gone. */
export function handlersWith(deps: HandlerDeps): Handlers {
  return {
    'send-mail': (payload) => sendMail(payload, deps),
    'export-accounts': (payload) => exportAccounts(payload, deps),
    'erase-accounts': (payload) => eraseAccounts(payload, deps),
  }
}
