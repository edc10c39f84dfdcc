import type { Command, Terminal } from './command.ts'
import { verifyAudit } from './commands/audit-verify.ts'
import { releaseBreaker } from './commands/breaker-release.ts'
import { showBreaker } from './commands/breaker-show.ts'
import { printDeletions } from './commands/deletions-list.ts'
import { retryDeletion } from './commands/deletions-retry.ts'
import { printDeletion } from './commands/deletions-show.ts'
import { runDoctor } from './commands/doctor.ts'
import { verifyExport } from './commands/export-verify.ts'
import { claimMarkedFolders } from './commands/folders-claim.ts'
import { applyMigrations } from './commands/migrate.ts'
import { showPlan } from './commands/plan.ts'
import { promoteUser } from './commands/users-promote.ts'

const commands: Record<string, { run: Command; usage: string; summary: string }> = {
  migrate: {
    run: applyMigrations,
    usage: 'migrate [--without-users]',
    summary: 'apply the pending migrations',
  },
  doctor: {
    run: runDoctor,
    usage: 'doctor',
    summary: 'check settings and servers; exit 1 if something is wrong',
  },
  plan: {
    run: showPlan,
    usage: 'plan [--json]',
    summary: 'show what an erasure does, step by step; exit 1 if the data map is incomplete',
  },
  'users promote': {
    run: promoteUser,
    usage: 'users promote EMAIL',
    summary: 'make this user an administrator',
  },
  'deletions list': {
    run: printDeletions,
    usage: 'deletions list [STATUS]',
    summary: 'list the newest 100: pending, cancelled, erasing, erased, or all of them',
  },
  'deletions show': {
    run: printDeletion,
    usage: 'deletions show ID',
    summary: 'show one deletion with its export, mails and events',
  },
  'deletions retry': {
    run: retryDeletion,
    usage: 'deletions retry ID [--accept-missing-files] --reason "…"',
    summary: 'retry a failed erasure now; with the option, go on without files that are missing',
  },
  'folders claim': {
    run: claimMarkedFolders,
    usage: 'folders claim --reason "…"',
    summary: 'bind EXPORT_DIR and UPLOAD_DIR to this database after a restore or a move',
  },
  breaker: {
    run: showBreaker,
    usage: 'breaker',
    summary:
      'show whether the circuit breaker holds deletions because too many were due at once; exit 1 if so',
  },
  'breaker release': {
    run: releaseBreaker,
    usage: 'breaker release NUMBER [established|new]',
    summary: 'release the held deletions; NUMBER is how many `breaker` shows',
  },
  'export verify': {
    run: verifyExport,
    usage: 'export verify FILE',
    summary:
      'check a downloaded archive against its manifest, without a database; exit 1 if it was changed',
  },
  'audit verify': {
    run: verifyAudit,
    usage: 'audit verify',
    summary: 'verify the hash chain of audit events; exit 1 if it is broken',
  },
}

/** Runs the command that the first words name. Anything else prints the list of commands and exits with 2. */
export async function run(args: string[], terminal: Terminal): Promise<number> {
  for (const words of [2, 1]) {
    const command = commands[args.slice(0, words).join(' ')]
    if (command) return command.run(args.slice(words), terminal)
  }
  terminal.print('Usage: pnpm lethe COMMAND, with DATABASE_URL in the environment\n')
  const width = Math.max(...Object.values(commands).map(({ usage }) => usage.length))
  for (const { usage, summary } of Object.values(commands))
    terminal.print(`  ${usage.padEnd(width)}  ${summary}`)
  return args.length === 0 || args[0] === 'help' || args[0] === '--help' ? 0 : 2
}
