import { slowness } from '@lethe/machine-speed'
import { sql } from 'kysely'
import { claim } from '../../scenario.ts'
import type { Reply } from '../../system/client.ts'
import type { TestPerson } from '../../system/people.ts'
import type { IsolatedEnvironment } from './isolated-environment.ts'

const MAX_TRIES = 6

/**
 * Requests the deletion until it certainly exists, as an app would that lost an answer; returns its id. After each try,
 * either all of it or nothing must be written, and the answer must match.
 */
export async function requestUntilConfirmed(
  isolated: IsolatedEnvironment,
  person: TestPerson,
): Promise<string> {
  for (let tries = 0; tries < MAX_TRIES * slowness(); tries++) {
    await isolated.waitUntilRunning()
    const reply = await isolated.client.delete(person)
    // Without a 202 the client does not know the outcome; the transaction is over by then.
    claimAllowed(reply, 'a request', [202])
    const found = await requestState(isolated, person)
    claim(found !== 'half', `after ${formatReply(reply)} a request is done by half`)
    claim(reply.status !== 202 || found === 'whole', 'a request was acknowledged and is not there')
    if (found !== 'whole') continue
    await isolated.waitUntilRunning()
    const { status = 0 } = await isolated.client.use(person)
    claim(
      status === 0 || status >= 401,
      `the deletion stands, and the session is good for ${status}`,
    )
    return deletionOf(isolated, person)
  }
  throw new Error(`a request was not confirmed in ${MAX_TRIES} tries`)
}

/** The same for a cancel. A retry may answer that the deletion is already cancelled. */
export async function cancelUntilConfirmed(
  { environment, waitUntilRunning }: IsolatedEnvironment,
  id: string,
  cancel: () => Promise<Reply>,
): Promise<void> {
  for (let tries = 0; tries < MAX_TRIES * slowness(); tries++) {
    await waitUntilRunning()
    const reply = await cancel()
    claimAllowed(reply, 'a cancel', tries > 0 ? [200, 409] : [200])
    const { rows } = await sql<{ status: string; active: boolean }>`
      select d.status, u.active from public.deletions d join public.users u on u.id = d.user_id where d.id = ${id}`.execute(
      environment.db,
    )
    const [{ status = 'gone', active = false } = {}] = rows
    const cancelled = status === 'cancelled' && active
    claim(
      cancelled || (status === 'pending' && !active),
      `after ${formatReply(reply)} it is ${status}`,
    )
    claim(cancelled || !reply.status || reply.status >= 500, 'a cancel was acknowledged and is not')
    if (cancelled) return
  }
  throw new Error(`a cancel was not confirmed in ${MAX_TRIES} tries`)
}

function claimAllowed(reply: Reply, what: string, answers: number[]): void {
  const { status = 500 } = reply
  claim(
    status >= 500 || answers.includes(status),
    `${what} was answered with ${formatReply(reply)}`,
  )
}

function formatReply({ status, failure, body }: Reply): string {
  return status ? `${status} ${JSON.stringify(body)}` : `no answer (${failure})`
}

/** Whether everything that a request writes is there, or nothing, or a part. */
async function requestState(
  { environment }: IsolatedEnvironment,
  { id }: TestPerson,
): Promise<'whole' | 'nothing' | 'half'> {
  const { rows } = await sql<{ active: boolean; sessions: number; parts: number[] }>`
    select u.active, (select count(*) from public.sessions where user_id = u.id) as sessions, array[
      (select count(*) from public.deletions where user_id = u.id and status in ('pending', 'erasing')),
      (select count(*) from public.exports where user_id = u.id),
      (select count(*) from public.outbox o join public.deletions d on d.id = o.deletion_id
       where d.user_id = u.id and o.mail = 'deletion-scheduled'),
      (select count(*) from public.audit_events e join public.deletions d on d.id = e.deletion_id
       where d.user_id = u.id and e.event = 'deletion.requested')]::int[] as parts
    from public.users u where u.id = ${id}`.execute(environment.db)
  const [found] = rows
  // Already erased; the invariants check whether that was right.
  if (!found) return 'whole'
  const { active, sessions, parts } = found
  if (!active && sessions === 0 && parts.every((count) => count === 1)) return 'whole'
  return active && sessions === 1 && parts.every((count) => count === 0) ? 'nothing' : 'half'
}

/** Reads the record, because an erased deletion no longer names its user. */
async function deletionOf(
  { environment }: IsolatedEnvironment,
  { id }: TestPerson,
): Promise<string> {
  const { rows } = await sql<{ id: string }>`
    select deletion_id as id from chaos.changes
    where table_name = 'deletions' and operation = 'INSERT' and user_id = ${id}`.execute(
    environment.db,
  )
  return rows[0]?.id ?? ''
}
