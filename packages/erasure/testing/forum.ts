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

const own = { is: 'whose it is', export: { not: 'all of it is theirs' } }
const number = { is: 'a number', export: { not: 'it means nothing outside' } }
const cleared = { ...own, erase: { to: null } }
const kept = { keep: 'whoever else it belongs to', until: 'they leave too' }
const byLaw = { keep: 'tax law', until: 'ten years after the year of the invoice' }

export const forumMap: DataMap = {
  person: { table: 'forum.members', key: 'id' },
  folders: { 'forum/{person}': { is: 'what they uploaded', export: 'uploads' } },
  tables: {
    'forum.members': {
      is: 'a member',
      links: { favourite: 'stays' },
      columns: {
        id: number,
        name: { is: 'the name', export: 'name' },
        address: { is: 'where mails go', export: 'address' },
        banned: { is: 'whether they may write', export: 'banned' },
        favourite: number,
      },
    },
    'forum.logins': {
      is: 'a log-in',
      links: { member_id: 'delete' },
      columns: {
        token: {
          is: 'what opens the account',
          export: { not: 'whoever knows it could act as them' },
        },
        member_id: own,
      },
    },
    'forum.invoices': {
      is: 'an invoice, which the law wants kept',
      links: { member_id: 'clear' },
      columns: {
        number: { is: 'its number', export: 'number', erase: byLaw },
        member_id: cleared,
        billed_to: { is: 'name and address', export: 'billedTo', erase: byLaw },
        cents: { is: 'the sum', export: 'cents', erase: byLaw },
        nickname: { is: 'how they were greeted', export: 'nickname', erase: { to: null } },
      },
    },
    'forum.threads': {
      is: 'a thread, which outlives its author',
      links: { author_id: 'clear' },
      columns: {
        id: { ...number, erase: kept },
        title: { is: 'what it is about', export: 'title', erase: kept },
        author_id: cleared,
      },
    },
    'forum.posts': {
      is: 'a post, which goes with its author and takes its replies along',
      links: { thread_id: 'stays', author_id: 'delete', 'thread_id, reply_to': 'delete' },
      columns: {
        thread_id: number,
        number,
        author_id: own,
        reply_to: number,
        body: { is: 'the text', export: 'body' },
      },
    },
    'forum.likes': {
      is: 'a like',
      links: { member_id: 'delete', 'thread_id, number': 'delete' },
      columns: { id: number, member_id: own, thread_id: number, number },
    },
    'forum.attachments': {
      is: 'a file of a member or of a thread',
      links: {
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
        body: { is: 'it', export: 'body' },
      },
    },
    'forum.messages': {
      is: 'a message between two members',
      links: { sender_id: 'clear', recipient_id: 'clear' },
      columns: {
        id: { ...number, erase: kept },
        sender_id: cleared,
        recipient_id: cleared,
        body: { is: 'the text', export: 'body', erase: kept },
      },
    },
    'forum.teams': {
      is: 'a team',
      links: { owner_id: 'delete', main_room: 'delete' },
      columns: { id: number, owner_id: own, main_room: number },
    },
    'forum.rooms': {
      is: 'a room of a team',
      links: { team_id: 'delete' },
      columns: { id: number, team_id: number },
    },
    'forum.visits': {
      is: 'a day on which they came',
      links: { member_id: 'delete' },
      columns: { member_id: own, day: { is: 'the day', export: 'day' } },
    },
    'forum.badges': {
      is: 'a badge',
      links: { member_id: 'delete' },
      columns: { member_id: own, name: { is: 'it', export: 'name' } },
    },
    'forum.gold_badges': {
      is: 'a badge of gold',
      links: { member_id: 'delete' },
      columns: { member_id: own, name: { is: 'it', export: 'name' } },
    },
  },
}
