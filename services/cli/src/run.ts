import type { Command, Terminal } from './command.ts'
import { verifyAudit } from './commands/audit-verify.ts'
import { releaseBreaker } from './commands/breaker-release.ts'
import { showBreaker } from './commands/breaker-show.ts'
import { printDeletions } from './commands/deletions-list.ts'
import { retryDeletion } from './commands/deletions-retry.ts'
import { printDeletion } from './commands/deletions-show.ts'
import { runDoctor } from './commands/doctor.ts'
import { verifyExport } from './commands/export-verify.ts'
import { claimTheFolders } from './commands/folders-claim.ts'
import { applyMigrations } from './commands/migrate.ts'
import { showPlan } from './commands/plan.ts'
import { promoteUser } from './commands/users-promote.ts'

const commands: Record<string, { run: Command; usage: string; does: string }> = {
  migrate: {
    run: applyMigrations,
    usage: 'migrate [--without-users]',
    does: 'apply what is missing of migrations/',
  },
  doctor: {
    run: runDoctor,
    usage: 'doctor',
    does: 'look for what is wrong with settings and servers; exit 1 where something is',
  },
  plan: {
    run: showPlan,
    usage: 'plan [--json]',
    does: 'what an erasure does, step by step; exit 1 where the data map misses something',
  },
  'users promote': {
    run: promoteUser,
    usage: 'users promote EMAIL',
    does: 'make this user an administrator',
  },
  'deletions list': {
    run: printDeletions,
    usage: 'deletions list [STATUS]',
    does: 'the newest hundred: pending, cancelled, erasing, erased, or all',
  },
  'deletions show': {
    run: printDeletion,
    usage: 'deletions show ID',
    does: 'where one deletion stands, its mails and its events',
  },
  'deletions retry': {
    run: retryDeletion,
    usage: 'deletions retry ID [--accept-missing-files] --reason "…"',
    does: 'try an erasure that failed again at once; without the files that are lost, where that is said',
  },
  'folders claim': {
    run: claimTheFolders,
    usage: 'folders claim --reason "…"',
    does: 'bind EXPORT_DIR and UPLOAD_DIR to this database, after a restore or a move',
  },
  breaker: {
    run: showBreaker,
    usage: 'breaker',
    does: 'whether erasure is stopped because too much was due at once; exit 1 if so',
  },
  'breaker release': {
    run: releaseBreaker,
    usage: 'breaker release NUMBER [established|new]',
    does: 'go on with as many deletions as are held',
  },
  'export verify': {
    run: verifyExport,
    usage: 'export verify FILE',
    does: 'hold a downloaded archive to its own manifest; needs no database; exit 1 where it was changed',
  },
  'audit verify': {
    run: verifyAudit,
    usage: 'audit verify',
    does: 'walk the hash chain of audit events; exit 1 where it does not hold',
  },
}

/** Picks the command that the first words name; anything else prints what there is and exits 2. */
export async function run(args: string[], terminal: Terminal): Promise<number> {
  for (const words of [2, 1]) {
    const command = commands[args.slice(0, words).join(' ')]
    if (command) return command.run(args.slice(words), terminal)
  }
  terminal.print('Usage: pnpm lethe COMMAND, with DATABASE_URL in the environment\n')
  const width = Math.max(...Object.values(commands).map(({ usage }) => usage.length))
  for (const { usage, does } of Object.values(commands))
    terminal.print(`  ${usage.padEnd(width)}  ${does}`)
  return args.length === 0 || args[0] === 'help' || args[0] === '--help' ? 0 : 2
}
