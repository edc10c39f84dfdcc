import type { Schema } from '@lethe/db'

type Right = 'select' | 'insert' | 'update' | 'delete'
type Qualified<Name> = Name extends `${string}.${string}` ? Name : `public.${Name & string}`
type Unnamed =
  | 'public.kysely_migration'
  | 'lethe.people'
  | 'lethe.folder_owner'
  | 'lethe.archive_attempts'

const all: Right[] = ['select', 'insert', 'update', 'delete']
const kept: Right[] = ['select', 'insert', 'update']

/** What the API and the worker do with each table. PostgreSQL asks for `update` where a row is locked, too. */
export const rightsByTable: Record<Qualified<keyof Schema> | Unnamed, Right[]> = {
  'public.users': all,
  'public.active_users': ['select', 'update'],
  'public.sessions': all,
  'vault.person_keys': all,
  'public.saved_passwords': all,
  'public.avatars': all,
  'public.deletions': kept,
  'public.exports': kept,
  'public.outbox': all,
  'public.audit_events': kept,
  'public.breaker_trips': kept,
  'public.rate_limits': all,
  'public.secret_key_check': ['select', 'insert'],
  'public.kysely_migration': ['select'],
  'lethe.people': ['select'],
  'lethe.folder_owner': ['select'],
  'lethe.archive_attempts': all,
}
