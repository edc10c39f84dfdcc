import { type RawBuilder, sql } from 'kysely'

export interface Invariant {
  name: string
  claim: string
  /** Returns one row per breach, each a sentence; none if the invariant holds. */
  breaches: (rest: Rest) => RawBuilder<{ breach: string }>
}

export interface Rest {
  /** When the last missing component came back; the start of the run if none was missing. */
  partsBack: Date
  /** Seconds from the date of a deletion, or from the return of the components, until it must be erased. */
  bound: number
  /** Problems of the audit chain, which is verified in code. */
  chain: string[]
}

const possessions = sql`l.table_name in ('users', 'saved_passwords', 'avatars', 'person_keys')`

/**
 * The properties of every history, whatever was killed, cut, wiped or delayed in it. Each is one query on the record
 * (`record.sql`) that returns its breaches.
 */
export const invariants: Invariant[] = [
  {
    name: 'I1',
    claim: 'no erasure before erase_after, on the database’s clock',
    breaches: () => sql`
      select format('deletion %s was claimed %s before its date', deletion_id, erase_after - claimed_at) as breach
      from chaos.lives where claimed_at < erase_after
      union all
      select format('user %s was deleted before the date of any deletion', user_id) from chaos.log l
      where table_name = 'users' and operation = 'DELETE'
        and not exists (select from chaos.lives f where f.user_id = l.user_id and f.erase_after <= l.at)`,
  },
  {
    name: 'I2',
    claim: 'no erasure after an acknowledged cancel',
    breaches: () => sql`
      select format('deletion %s went on after its cancel was acknowledged', deletion_id) as breach
      from chaos.lives f
      where (claimed is not null or erased is not null)
        and exists (select from chaos.answers a where a.what = 'cancel' and a.status = 200 and a.deletion_id = f.deletion_id)`,
  },
  {
    name: 'I3',
    claim:
      'after the 202 no session or token of that person is accepted, and no write of theirs commits',
    breaches: () => sql`
      select format('user %s: %s was accepted with a credential of before the 202', used.user_id, used.what) as breach
      from chaos.answers asked
      join chaos.answers used on used.user_id = asked.user_id and used.sent > asked.answered
      join chaos.answers given on given.credential = used.credential and given.what = 'credential' and given.sent < asked.answered
      where asked.what = 'delete' and asked.status in (200, 202, 204) and used.what in ('use', 'refresh') and used.status < 400
      union all
      select format('user %s logged in although deactivated', entered.user_id)
      from chaos.answers asked join chaos.answers entered on entered.user_id = asked.user_id and entered.sent > asked.answered
      where asked.what = 'delete' and asked.status in (200, 202, 204) and entered.what = 'log-in' and entered.status = 201
        and not exists (select from chaos.answers c where c.what = 'cancel' and c.user_id = asked.user_id
          and c.sent > asked.sent and c.sent < entered.answered)
      union all
      select format('user %s: a row of %s was written after the deletion', l.user_id, l.table_name)
      from chaos.log l join chaos.lives f on f.user_id = l.user_id
      where l.table_name in ('sessions', 'saved_passwords', 'avatars', 'person_keys') and l.operation <> 'DELETE'
        and l.committed > f.requested and l.committed < coalesce(f.cancelled, 'infinity')
      union all
      select format('user %s is active although the deletion stands', u.id)
      from public.users u join public.deletions d on d.user_id = u.id where u.active and d.status in ('pending', 'erasing')
      union all
      select format('user %s: a session of before the deletion is there', s.user_id)
      from public.sessions s join chaos.lives f on f.user_id = s.user_id
      where s.authenticated_at <= f.requested and f.requested is not null
        and exists (select from chaos.log l where l.table_name = 'sessions' and l.operation = 'INSERT'
          and l.is_now->>'id' = s.id::text and l.committed < f.requested)`,
  },
  {
    name: 'I4',
    claim: 'every deletion not cancelled is erased within its bound once all components are back',
    breaches: ({ partsBack, bound }) => sql`
      select format('deletion %s is %s', id, status) as breach from public.deletions
      where status in ('pending', 'erasing') and erase_after + ${bound} * interval '1 second' < now()
      union all
      select format('deletion %s came %s late', deletion_id, erased - greatest(erase_after, ${partsBack}))
      from chaos.lives where erased > greatest(erase_after, ${partsBack}) + ${bound} * interval '1 second'`,
  },
  {
    name: 'I5',
    claim:
      'each claim is completed: no active or cancelled account lacks data, and a claimed one leaves none',
    breaches: () => sql`
      select format('user %s lost a row of %s without a claim', l.user_id, l.table_name) as breach
      from chaos.log l
      where ${possessions} and l.operation = 'DELETE'
        and not exists (select from chaos.lives f where f.user_id = l.user_id and f.claimed < l.committed)
      union all
      select format('user %s is not erased and not what they were', p.user_id) from chaos.people p
      where not exists (select from chaos.lives f where f.user_id = p.user_id and f.claimed is not null)
        and (chaos.possessions(p.user_id) <> p.had or p.files is distinct from p.has_files)
      union all
      select format('user %s was erased and has a row of %s', f.user_id, t.table_name)
      from chaos.lives f
      cross join lateral (
        select 'users' as table_name from public.users where id = f.user_id
        union all select 'sessions' from public.sessions where user_id = f.user_id
        union all select 'saved_passwords' from public.saved_passwords where user_id = f.user_id
        union all select 'avatars' from public.avatars where user_id = f.user_id
        union all select 'person_keys' from vault.person_keys where user_id = f.user_id
        union all select 'deletions' from public.deletions where user_id = f.user_id
        union all select 'exports' from public.exports where user_id = f.user_id
      ) t where f.erased is not null
      union all
      select format('user %s was erased and has files', p.user_id) from chaos.people p
      where p.files and exists (select from chaos.lives f where f.user_id = p.user_id and f.erased is not null)
      union all
      select format('deletion %s was erased in two transactions', deletion_id) from chaos.log
      where table_name = 'deletions' and is_now->>'status' = 'erased' and was->>'status' <> 'erased'
      group by deletion_id having count(*) > 1`,
  },
  {
    name: 'I6',
    claim:
      'each mail leaves at least once or is marked undeliverable, and copies share one Message-ID',
    breaches: () => sql`
      select format('deletion %s has %s mails of the kind %s instead of one', f.deletion_id, count(o.id), k.mail) as breach
      from chaos.lives f
      cross join lateral (
        select 'deletion-scheduled' as mail
        union all select 'deletion-cancelled' where f.cancelled is not null
        union all select 'account-erased' where f.erased is not null
        union all select 'export-ready' where exists (select from chaos.log l
          where l.table_name = 'exports' and l.deletion_id = f.deletion_id and l.is_now->>'status' = 'ready')
      ) k left join public.outbox o on o.deletion_id = f.deletion_id and o.mail = k.mail
      where f.requested is not null
      group by f.deletion_id, k.mail having count(o.id) <> 1
      union all
      select format('mail %s (%s) is still pending', id, mail) from public.outbox where status = 'pending'
      union all
      select format('mail %s (%s) is said to be sent and never came', id, mail) from public.outbox o
      where status = 'sent' and not exists (select from chaos.mails m
        where m.outbox_id = o.id and m.verdict in ('accepted', 'dropped'))
      union all
      select format('mail %s (%s) was given up without an event', id, mail) from public.outbox o
      where status = 'undeliverable' and not exists (select from public.audit_events e
        where e.deletion_id = o.deletion_id and e.event = 'mail.undeliverable')
      union all
      select format('mail %s (%s) was dropped without need', id, mail) from public.outbox o
      join chaos.lives f on f.deletion_id = o.deletion_id
      where (status = 'superseded' and f.cancelled is null and f.claimed is null)
        or (status = 'suppressed')
      union all
      select format('a mail came with the Message-ID %s, which is no mail’s of ours', message_id) from chaos.mails m
      where message_id <> '' and not exists (select from public.outbox o where m.outbox_id = o.id)
      union all
      select format('the Message-ID %s went to %s addresses under %s subjects', message_id,
        count(distinct recipient), count(distinct subject))
      from chaos.mails where message_id <> '' group by message_id
      having count(distinct recipient) > 1 or count(distinct subject) > 1
      union all
      select format('the mail %s was offered again after it was refused for good', later.message_id)
      from chaos.mails refused join chaos.mails later on later.message_id = refused.message_id and later.seq > refused.seq
      where refused.verdict = 'refused-5' and refused.message_id <> ''
      union all
      select format('mail %s kept its address after it was done', id) from public.outbox
      where status <> 'pending' and address is not null`,
  },
  {
    name: 'I7',
    claim: 'no other person’s row changes',
    breaches: () => sql`
      select format('a bystander’s row of %s was changed (%s)', l.table_name, l.operation) as breach
      from chaos.people p join chaos.log l on l.user_id = p.user_id where p.bystander
      union all
      select 'a bystander is not what they were' from chaos.people p
      where p.bystander and (chaos.possessions(p.user_id) <> p.had or p.files is distinct from p.has_files)`,
  },
  {
    name: 'I8',
    claim: 'one terminal event for each deletion in the audit chain, and the chain verifies',
    breaches: ({ chain }) => sql`
      select format('deletion %s is %s with %s terminal events', d.id, d.status, count(e.id)) as breach
      from public.deletions d left join public.audit_events e on e.deletion_id = d.id
        and e.event = case d.status when 'cancelled' then 'deletion.cancelled' else 'deletion.erased' end
      group by d.id, d.status having count(e.id) <> (d.status in ('cancelled', 'erased'))::int
      union all
      select format('deletion %s has terminal events of both kinds', deletion_id) from public.audit_events
      where event in ('deletion.cancelled', 'deletion.erased')
      group by deletion_id having count(distinct event) > 1
      union all
      select format('deletion %s has %s events %s instead of one', deletion_id, count(*), event) from public.audit_events
      where event in ('deletion.requested', 'deletion.claimed') group by deletion_id, event having count(*) > 1
      union all
      select * from unnest(${chain}::text[])`,
  },
  {
    name: 'I9',
    claim: 'an export is complete or absent, never partial',
    breaches: () => sql`
      select format('export %s: %s', export_id, fault) as breach from chaos.archives where fault is not null
      union all
      select format('user %s fetched an archive that is not whole', user_id) from chaos.answers
      where what = 'archive' and status = 200 and detail <> 'whole'
      union all
      select format('export %s of an ended deletion is still pending', e.id) from public.exports e
      join public.deletions d on d.id = e.deletion_id where e.status = 'pending' and d.status in ('cancelled', 'erased')
      union all
      select format('export %s can be fetched although its deletion was cancelled', e.id) from public.exports e
      join public.deletions d on d.id = e.deletion_id where e.status = 'ready' and d.status = 'cancelled'`,
  },
  {
    name: 'I10',
    claim: 'exactly one of cancel and claim wins',
    breaches: () => sql`
      select format('deletion %s was cancelled and claimed', deletion_id) as breach
      from chaos.lives where cancelled is not null and claimed is not null
      union all
      select format('deletion %s: the cancel was answered with %s, and yet it is %s', d.id, a.status, d.status)
      from chaos.answers a join public.deletions d on d.id = a.deletion_id
      where a.what = 'cancel' and (a.status = 200) <> (d.status = 'cancelled') and a.status in (200, 409)
        and not (a.status = 409 and a.detail = 'cancelled')`,
  },
]
