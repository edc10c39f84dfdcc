/** What `pnpm start` and the tests are put together from, for whoever else starts the whole. */
export { findFaketime } from './faketime.ts'
export { freePort } from './free-port.ts'
export { type Inbox, startInbox } from './inbox/index.ts'
export { type Postgres, startPostgres } from './postgres.ts'
export { findProgram } from './programs.ts'
export { type Service, type ServiceOptions, startServices } from './services.ts'
export { makeTemplate } from './test-database.ts'
export { compileCache, makeTestFolder } from './test-folder.ts'
