import type { Db } from '@lethe/db'
import { sql } from 'kysely'
import type { DataMap } from '../src/map/data-map.ts'
import { createFences } from './fences.ts'

/** A schema other than the built-in accounts, with every construct that makes erasing hard. */
export async function makeForum(db: Db): Promise<void> {
  await sql
    .raw(`
    create schema forum;
    create table forum.members (id bigint primary key, name text not null,
      address text, banned boolean not null default false);
    create table forum.threads (id bigint primary key, title text not null,
      author_id bigint references forum.members on delete set null);
    alter table forum.members add favourite bigint references forum.threads on delete set null;
    create table forum.posts (thread_id bigint not null references forum.threads on delete cascade, number integer,
      author_id bigint not null references forum.members on delete cascade, reply_to integer, body text,
      primary key (thread_id, number),
      foreign key (thread_id, reply_to) references forum.posts on delete cascade);
    create table forum.likes (id bigint generated always as identity primary key,
      member_id bigint not null references forum.members on delete cascade, thread_id bigint not null, number integer not null,
      foreign key (thread_id, number) references forum.posts on delete cascade);
    create table forum.attachments (id bigint generated always as identity primary key,
      owner_kind text not null, owner_id bigint not null, body text);
    create table forum.messages (id bigint generated always as identity primary key,
      sender_id bigint references forum.members on delete set null,
      recipient_id bigint references forum.members on delete set null, body text);
    create table forum.teams (id bigint primary key, owner_id bigint not null references forum.members on delete cascade,
      main_room bigint);
    create table forum.rooms (id bigint primary key, team_id bigint not null references forum.teams on delete cascade);
    alter table forum.teams add foreign key (main_room) references forum.rooms deferrable;
    create table forum.visits (member_id bigint not null references forum.members on delete cascade, day date not null)
      partition by range (day);
    create table forum.visits_1 partition of forum.visits for values from ('2026-01-01') to ('2026-07-01');
    create table forum.visits_2 partition of forum.visits for values from ('2026-07-01') to ('2027-01-01');
    create table forum.badges (member_id bigint not null references forum.members on delete cascade, name text);
    create table forum.gold_badges (foreign key (member_id) references forum.members on delete cascade)
      inherits (forum.badges);
    create table forum.logins (token text primary key, member_id bigint not null references forum.members on delete cascade);
    create table forum.invoices (number text primary key, member_id bigint references forum.members on delete set null,
      billed_to text not null, cents integer not null, nickname text);
    create index on forum.logins (member_id);
    create index on forum.invoices (member_id);
    create index on forum.threads (author_id);
    create index on forum.members (favourite);
    create index on forum.posts (author_id);
    create index on forum.posts (thread_id, reply_to);
    create index on forum.likes (member_id);
    create index on forum.likes (thread_id, number);
    create index on forum.attachments (owner_id, owner_kind);
    create index on forum.messages (sender_id);
    create index on forum.messages (recipient_id);
    create index on forum.teams (owner_id);
    create index on forum.teams (main_room);
    create index on forum.rooms (team_id);
    create index on forum.visits (member_id);
    create index on forum.badges (member_id);
    create index on forum.gold_badges (member_id)`)
    .execute(db)
  await sql.raw(fourNames).execute(db)
  await createFences(db, forumMap)
}

/** The view and functions that a schema provides so that Lethe knows its people. */
const fourNames = `
create or replace view lethe.people as
  select id, address, not banned as active from forum.members;

create or replace function lethe.deactivate(person bigint) returns boolean language plpgsql as $$
begin
  update forum.members set banned = true where id = person and not banned;
  return found;
end $$;

create or replace function lethe.restore(person bigint) returns void language sql as
  'update forum.members set banned = false where id = person';

create or replace function lethe.end_sessions(person bigint) returns void language sql as
  'delete from forum.logins where member_id = person';
`

const own = { description: 'whose it is', export: false, reason: 'all of it is theirs' } as const
const number = {
  description: 'a number',
  export: false,
  reason: 'it means nothing outside',
} as const
const cleared = { ...own, on_erase: { set: null } }
const kept = { reason: 'the other people it belongs to', until: 'they leave too' }
const byLaw = { reason: 'tax law', until: 'ten years after the year of the invoice' }

export const forumMap: DataMap = {
  person: { table: 'forum.members', key: 'id' },
  folders: { 'forum/{person}': { description: 'what they uploaded', export: 'uploads' } },
  tables: {
    'forum.members': {
      description: 'a member',
      references: { favourite: 'keep' },
      columns: {
        id: number,
        name: { description: 'the name', export: 'name' },
        address: { description: 'where mails go', export: 'address' },
        banned: { description: 'whether they may write', export: 'banned' },
        favourite: number,
      },
    },
    'forum.logins': {
      description: 'a log-in',
      references: { member_id: 'delete' },
      columns: {
        token: {
          description: 'what opens the account',
          export: false,
          reason: 'anyone who knows it could act as them',
        },
        member_id: own,
      },
    },
    'forum.invoices': {
      description: 'an invoice, which the law wants kept',
      references: { member_id: 'anonymize' },
      columns: {
        number: { description: 'its number', export: 'number', retain: byLaw },
        member_id: cleared,
        billed_to: { description: 'name and address', export: 'billedTo', retain: byLaw },
        cents: { description: 'the sum', export: 'cents', retain: byLaw },
        nickname: {
          description: 'how they were greeted',
          export: 'nickname',
          on_erase: { set: null },
        },
      },
    },
    'forum.threads': {
      description: 'a thread, which outlives its author',
      references: { author_id: 'anonymize' },
      columns: {
        id: { ...number, retain: kept },
        title: { description: 'what it is about', export: 'title', retain: kept },
        author_id: cleared,
      },
    },
    'forum.posts': {
      description: 'a post, which goes with its author and takes its replies along',
      references: { thread_id: 'keep', author_id: 'delete', 'thread_id, reply_to': 'delete' },
      columns: {
        thread_id: number,
        number,
        author_id: own,
        reply_to: number,
        body: { description: 'the text', export: 'body' },
      },
    },
    'forum.likes': {
      description: 'a like',
      references: { member_id: 'delete', 'thread_id, number': 'delete' },
      columns: { id: number, member_id: own, thread_id: number, number },
    },
    'forum.attachments': {
      description: 'a file of a member or of a thread',
      references: {
        owner_id: {
          rule: 'delete',
          to: 'forum.members',
          by: 'id',
          where: { owner_kind: 'member' },
        },
      },
      columns: {
        id: number,
        owner_kind: number,
        owner_id: own,
        body: { description: 'it', export: 'body' },
      },
    },
    'forum.messages': {
      description: 'a message between two members',
      references: { sender_id: 'anonymize', recipient_id: 'anonymize' },
      columns: {
        id: { ...number, retain: kept },
        sender_id: cleared,
        recipient_id: cleared,
        body: { description: 'the text', export: 'body', retain: kept },
      },
    },
    'forum.teams': {
      description: 'a team',
      references: { owner_id: 'delete', main_room: 'delete' },
      columns: { id: number, owner_id: own, main_room: number },
    },
    'forum.rooms': {
      description: 'a room of a team',
      references: { team_id: 'delete' },
      columns: { id: number, team_id: number },
    },
    'forum.visits': {
      description: 'a day on which they came',
      references: { member_id: 'delete' },
      columns: { member_id: own, day: { description: 'the day', export: 'day' } },
    },
    'forum.badges': {
      description: 'a badge',
      references: { member_id: 'delete' },
      columns: { member_id: own, name: { description: 'it', export: 'name' } },
    },
    'forum.gold_badges': {
      description: 'a badge of gold',
      references: { member_id: 'delete' },
      columns: { member_id: own, name: { description: 'it', export: 'name' } },
    },
  },
}
