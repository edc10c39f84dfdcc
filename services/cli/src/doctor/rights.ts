import type { Schema } from '@lethe/db'

type Right = 'select' | 'insert' | 'update' | 'delete'
type Qualified<Name> = Name extends `${string}.${string}` ? Name : `public.${Name & string}`
type TableOutsideSchemaType =
  | 'public.kysely_migration'
  | 'lethe.people'
  | 'lethe.folder_owner'
  | 'lethe.archive_attempts'

const all: Right[] = ['select', 'insert', 'update', 'delete']
const withoutDelete: Right[] = ['select', 'insert', 'update']

/** The rights that the API and the worker need on each table. PostgreSQL requires `update` for row locks too. */
export const rightsByTable: Record<Qualified<keyof Schema> | TableOutsideSchemaType, Right[]> = {
  'public.users': all,
  'public.active_users': ['select', 'update'],
  'public.sessions': all,
  'vault.person_keys': all,
  'public.saved_passwords': all,
  'public.avatars': all,
  'public.deletions': withoutDelete,
  'public.exports': withoutDelete,
  'public.outbox': all,
  'public.audit_events': withoutDelete,
  'public.breaker_trips': withoutDelete,
  'public.rate_limits': all,
  'public.secret_key_check': ['select', 'insert'],
  'public.kysely_migration': ['select'],
  'lethe.people': ['select'],
  'lethe.folder_owner': ['select'],
  'lethe.archive_attempts': all,
}
