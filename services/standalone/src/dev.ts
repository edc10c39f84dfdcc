/**
 * `pnpm dev`: `pnpm start` under `node --watch`, so that everything starts again when a file is saved. The services would
 * inherit this variable and report what they import to a parent that does not listen, which ends them.
 */
delete process.env.WATCH_REPORT_DEPENDENCIES
await import('./start.ts')
