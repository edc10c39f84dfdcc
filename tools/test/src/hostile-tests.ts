/**
 * The tests that ask most of a database, for `pnpm test --hostile`. What only a superuser may do, they do by
 * `asSuperuser`.
 */
export const hostileTests = [
  'services/worker/test/erase-accounts.test.ts',
  'services/worker/test/export-accounts.test.ts',
  'services/worker/test/send-mail.test.ts',
  'services/worker/test/sweep.test.ts',
  'services/worker/test/worker.test.ts',
  'services/api/test/deletion.test.ts',
  'services/api/test/compat.test.ts',
  'services/api/test/exports.test.ts',
  'services/api/test/migrate.test.ts',
  'packages/lifecycle',
  'packages/accounts',
  'packages/db/test/migrate.test.ts',
  'packages/erasure/test/check-map.test.ts',
  'packages/erasure/test/fence.test.ts',
  'packages/erasure/test/rows.test.ts',
  'packages/archive/test/same-rows.test.ts',
  'packages/lifecycle/test/lease.test.ts',
]
