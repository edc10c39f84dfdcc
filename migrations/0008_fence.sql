-- From the claim on nothing may come to a person any more: a slow job, a webhook, another service would leave a row that no
-- erasure has seen. A table joins the fence by a trigger whose condition calls `is_erasing`; the data map asks for it.
create schema lethe;

-- Whether a row may not name this person: their deletion is claimed, or they are gone. While it may, the person is held until
-- the row is committed, and the erasure waits for that. Looked at before we wait, so that many late rows do not
-- keep an erasure from its lock. `lethe.people` (0009, or whoever brings a schema of their own) says who there is.
create function lethe.is_erasing(person bigint) returns boolean language plpgsql
  security definer set search_path = pg_catalog, pg_temp as $$
begin
  if person is null then
    return false;
  end if;
  if exists (select from public.deletions d where d.user_id = person and d.status = 'erasing') then
    return true;
  end if;
  perform from lethe.people p where p.id = person for key share;
  return not found;
end $$;

-- The same for a row that points at another one without a foreign key: what it points at is there, and held.
create function lethe.is_absent(target regclass, key name, value anynonarray) returns boolean language plpgsql as $$
declare
  held boolean;
begin
  if value is null then
    return false;
  end if;
  execute format('select true from %s t where t.%I = $1 for key share', target, key) into held using value;
  return held is null;
end $$;

create function lethe.refuse_row() returns trigger language plpgsql as $$
begin
  raise exception 'nothing may be written any more for a person who is being erased'
    using errcode = 'LT001', table = tg_table_name, schema = tg_table_schema;
end $$;
