/**
 * The tests that depend most on the database, for `pnpm test --hostile`. They use `asSuperuser` for what only a
 * superuser may do.
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
