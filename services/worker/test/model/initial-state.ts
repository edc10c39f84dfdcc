import { rm } from 'node:fs/promises'
import { sql } from 'kysely'
import { addresses, administrator, password } from './arbitraries/names.ts'
import { setClock } from './clock.ts'
import { changeRole, logIn, signUp } from './commands/people.ts'
import { rowsOf } from './rows.ts'
import { runCommands } from './run-commands.ts'
import type { SystemUnderTest } from './system-under-test.ts'
import { emptyWorld, START_TIME, type World } from './world.ts'

const copiedTables = ['users', 'vault.person_keys', 'sessions'] as const

/**
 * Creates an administrator and two other accounts, each with a session. The database keeps a copy of their rows, so that
 * each run can restore this state: signing up takes longer than many runs.
 */
export async function createInitialState(system: SystemUnderTest): Promise<World> {
  const world = emptyWorld()
  await setClock(system.db, START_TIME)
  const people = addresses.slice(0, 3)
  await runCommands(
    world,
    system,
    people.map((email) => signUp(email, password)),
  )
  await runCommands(world, system, [changeRole(administrator, 'administrator')])
  await runCommands(
    world,
    system,
    people.map((email) => logIn(email, password, 'cookie')),
  )
  await sql`create schema kept`.execute(system.db)
  for (const table of copiedTables)
    await sql`create table ${copyOf(table)} as table ${rowsOf(table)}`.execute(system.db)
  return world
}

/** Restores the initial state of the system and returns that of the model. */
export async function restoreInitialState(
  system: SystemUnderTest,
  initialState: World,
): Promise<World> {
  const { db, deps, sink, lines } = system
  // The replica role disables the trigger that guards audit events. One query text needs one round trip.
  await sql`begin; set local session_replication_role = replica;
    delete from public.users; delete from public.sessions; delete from vault.person_keys; delete from public.saved_passwords;
    delete from public.avatars; delete from lethe.archive_attempts; delete from public.deletions; delete from public.exports; delete from public.outbox; delete from public.audit_events;
    ${sql.join(
      copiedTables.map(
        (table) => sql`insert into ${rowsOf(table)} overriding system value table ${copyOf(table)}`,
      ),
      sql`; `,
    )};
    update clock.hand set at = ${sql.lit(new Date(initialState.now).toISOString())};
    commit`.execute(db)
  for await (const names of deps.storage.list()) await deps.storage.remove(names)
  await rm(deps.uploadDir, { recursive: true, force: true })
  sink.received.length = 0
  sink.answer = { at: 'RCPT', code: 0 }
  lines.length = 0
  return structuredClone(initialState)
}

function copyOf(table: (typeof copiedTables)[number]) {
  return sql.id('kept', table.replace(/^.*\./, ''))
}
