import type { Handlers } from '@lethe/queue'
import type { HandlerDeps } from '../deps.ts'
import { eraseAccounts } from './erase-accounts.ts'
import { exportAccounts } from './export-accounts.ts'
import { sendMail } from './send-mail.ts'

/** Each job may run twice: the second run finds that its lease was exchanged, and does nothing. */
export function createHandlers(deps: HandlerDeps): Handlers {
  return {
    'send-mail': (payload) => sendMail(payload, deps),
    'export-accounts': (payload) => exportAccounts(payload, deps),
    'erase-accounts': (payload) => eraseAccounts(payload, deps),
  }
}
