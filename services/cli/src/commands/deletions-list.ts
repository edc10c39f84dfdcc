import type { DeletionStatus } from '@lethe/db'
import { sql } from 'kysely'
import type { Command } from '../command.ts'
import { table } from '../table.ts'

const statuses: string[] = ['pending', 'cancelled', 'erasing', 'erased'] satisfies DeletionStatus[]

export const listDeletions: Command = async ([status], { db, print }) => {
  if (status !== undefined && !statuses.includes(status)) {
    print(`A status is one of ${statuses.join(', ')}.`)
    return 2
  }
  // The newest of each status, by an index: sorting all of a million takes seconds.
  const { rows } = await sql<Record<string, unknown>>`
    select d.* from unnest(${status === undefined ? statuses : [status]}::text[]) as wanted (status),
      lateral (
        select id, user_id, status, requested_at, erase_after, erased_at, attempts, files_missing
        from public.deletions
        where deletions.status = wanted.status order by requested_at desc, id desc limit 100
      ) as d
    order by d.requested_at desc, d.id desc limit 100`.execute(db)
  print(rows.length === 0 ? 'No deletions.' : table(rows))
  return 0
}
