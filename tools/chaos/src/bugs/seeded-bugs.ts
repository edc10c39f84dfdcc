export interface SeededBug {
  name: string
  /** The invariants that it breaks, and how. */
  breaks: string
  file: string
  /** Occurs exactly once in the file; `seeded-bugs.test.ts` checks that. */
  find: string
  replace: string
}

/** Twenty plausible mistakes, each in a statement that carries a guarantee. */
export const seededBugs: readonly SeededBug[] = [
  {
    name: 'remove the status check from the cancel',
    breaks: 'I2, I10: a deletion that is being erased is cancelled',
    file: 'packages/lifecycle/src/deletions/cancel.ts',
    find: "where id = ${id} and status = 'pending'",
    replace: 'where id = ${id}',
  },
  {
    name: 'remove the date from the claim',
    breaks: 'I1: a pending deletion is claimed at once',
    file: 'packages/lifecycle/src/circuit-breaker.ts',
    find: '`d.erase_after <= now()`',
    replace: '`true`',
  },
  {
    name: 'use the clock of the API',
    breaks: 'I1: a service with a wrong clock sets a wrong date',
    file: 'packages/lifecycle/src/deletions/schedule.ts',
    find: 'select id, now() + grace, now() + grace,',
    replace: 'select id, ${new Date()}::timestamptz + grace, ${new Date()}::timestamptz + grace,',
  },
  {
    name: 'remove the lease from the finish of an erasure',
    breaks: 'I5: two workers finish one erasure',
    file: 'packages/lifecycle/src/deletions/erase.ts',
    find: "and status = 'erasing' and lease = ${lease}",
    replace: "and status = 'erasing'",
  },
  {
    name: 'acquire a lease without a new name for it',
    breaks: 'I6: a duplicate job does the work again',
    file: 'packages/lifecycle/src/lease.ts',
    find: 'const mine = leases.map(() => randomUUID())',
    replace: 'const mine = leases',
  },
  {
    name: 'dispatch a row that is leased already',
    breaks: 'I6: each sweep queues the same work again',
    file: 'packages/lifecycle/src/lease.ts',
    find: 'where d.next_attempt_at <= now() and (${where})',
    replace: 'where (${where})',
  },
  {
    name: 'let a lease run out while its worker lives',
    breaks: 'I6, I9: long work is done twice',
    file: 'packages/lifecycle/src/lease.ts',
    find: 'const RENEW_INTERVAL_MS = 3_000',
    replace: 'const RENEW_INTERVAL_MS = 300_000',
  },
  {
    name: 'omit the outbox row of the cancel',
    breaks: 'I6: no mail says that the account is active again',
    file: 'packages/lifecycle/src/deletions/cancel.ts',
    find: "insert into public.outbox (mail, deletion_id) select 'deletion-cancelled', id from cancelled",
    replace: 'select from cancelled',
  },
  {
    name: 'keep the refresh token',
    breaks: 'I3: an app stays logged in to a deactivated account',
    file: 'migrations/0009_users_as_people.sql',
    find: 'delete from sessions where user_id = person;',
    replace: "delete from sessions where user_id = person and kind = 'cookie';",
  },
  {
    name: 'log in without the lock',
    breaks: 'I3: a log-in under way leaves a session behind',
    file: 'packages/accounts/src/sessions.ts',
    find: '        .forShare(),\n',
    replace: '',
  },
  {
    name: 'save a password without checking that the account is active',
    breaks: 'I3: a write under way commits after the 202',
    file: 'packages/accounts/src/saved-passwords.ts',
    find: ".selectFrom('active_users')\n        .select([\n          sql.val(id)",
    replace: ".selectFrom('users')\n        .select([\n          sql.val(id)",
  },
  {
    name: 'cancel without restoring the account',
    breaks: 'I5: a cancelled account that no one can log in to',
    file: 'migrations/0009_users_as_people.sql',
    find: 'update users set active = true where id = person;',
    replace: 'update users set active = active where id = person;',
  },
  {
    name: 'leave the archive of a cancelled deletion open',
    breaks: 'I9: a mail opens the archive of an account that stays',
    file: 'packages/lifecycle/src/deletions/cancel.ts',
    find: "case when status in ('pending', 'ready') then 'withdrawn'",
    replace: "case when status = 'pending' then 'withdrawn'",
  },
  {
    name: 'never resume an erasure whose worker died',
    breaks: 'I4, I5: a claimed account stays half erased',
    file: 'packages/lifecycle/src/deletions/claim.ts',
    find: "d.status = 'erasing'\n    or d.status = 'pending'",
    replace: "d.status = 'pending'",
  },
  {
    name: 'leave the files behind',
    breaks: 'I5: an erased person’s picture stays on the disk',
    file: 'services/worker/src/handlers/erase-files.ts',
    find: '        await removeFiles(deps.uploadDir, deps.dataMap, deletion.userId)\n',
    replace: '',
  },
  {
    name: 'publish an archive without checking the lease',
    breaks: 'I9: a worker that lost its lease publishes another archive',
    file: 'packages/lifecycle/src/exports/publish.ts',
    find: "e.id = s.id and e.lease = ${lease} and e.status = 'pending'",
    replace: "e.id = s.id and e.status = 'pending'",
  },
  {
    name: 'a new Message-ID for each attempt',
    breaks: 'I6: copies of a mail cannot be recognized as copies',
    file: 'services/worker/src/mailer.ts',
    find: 'messageId: `<${id}@${host}>`',
    replace: 'messageId: `<${id}.${Date.now()}@${host}>`',
  },
  {
    name: 'try again after a 5xx',
    breaks: 'I6: mails go to a refused address for five days',
    file: 'services/worker/src/handlers/send-mail.ts',
    find: 'isRefusedForGood(error) || facts.triedEnough',
    replace: 'facts.triedEnough',
  },
  {
    name: 'erase without the last mail',
    breaks: 'I6: no mail says that the account is erased',
    file: 'packages/lifecycle/src/deletions/erase.ts',
    find: 'await keepAddressesForPendingMails(tx, userIds, held)\n',
    replace: '',
  },
  {
    name: 'accept a used refresh token',
    breaks: 'I3: a stolen token stays useful',
    file: 'packages/accounts/src/refresh.ts',
    find: 'and sessions.token_hash = ${tokenHash(token)} and',
    replace: 'and',
  },
]
