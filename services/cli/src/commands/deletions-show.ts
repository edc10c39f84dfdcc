import type { Command } from '../command.ts'
import { isUuid } from '../is-uuid.ts'
import { table } from '../table.ts'

export const showDeletion: Command = async ([id = ''], { db, print }) => {
  const deletion = isUuid(id)
    ? await db
        .selectFrom('deletions')
        .select(['id', 'user_id', 'status', 'requested_at', 'erase_after', 'cancelled_at'])
        .select(['claimed_at', 'erased_at', 'erased_counts', 'attempts', 'next_attempt_at'])
        .select(['released_at', 'files_found', 'files_missing', 'files_accepted'])
        .where('id', '=', id)
        .executeTakeFirst()
    : undefined
  if (!deletion) {
    print('There is no such deletion; `deletions list` shows the ids.')
    return 1
  }
  const { status, files_missing, files_found } = deletion
  print(table(Object.entries(deletion).map(([fact, value]) => ({ fact, value }))))
  if (status === 'erasing' && files_missing && !files_found)
    print(`
Its erasure waits, since files that rows name are missing. Put them back into UPLOAD_DIR, or accept the loss:
  pnpm lethe deletions retry ${id} --accept-missing-files --reason "…"`)
  const exported = await db
    .selectFrom('exports')
    .select(['status', 'created_at', 'expires_at', 'bytes', 'attempts', 'missing_since'])
    .where('deletion_id', '=', id)
    .execute()
  const mails = await db
    .selectFrom('outbox')
    .select(['mail', 'status', 'created_at', 'finished_at', 'attempts', 'next_attempt_at'])
    .where('deletion_id', '=', id)
    .orderBy('created_at')
    .execute()
  const events = await db
    .selectFrom('audit_events')
    .select(['position', 'event', 'at', 'details'])
    .where('deletion_id', '=', id)
    .orderBy('id')
    .execute()
  for (const [title, rows] of Object.entries({ Export: exported, Mails: mails, Events: events }))
    if (rows.length > 0) print(`\n${title}\n${table(rows)}`)
  return 0
}
