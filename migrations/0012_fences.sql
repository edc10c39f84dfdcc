-- A fence carries what it needs in its arguments: the column that names another row; schema, table and key of what it names
-- (`lethe.people`, `id` for a person); and pairs of a column and a value, for rows that hold these values alone. It has neither
-- a condition nor a list of columns: either would bar the app from altering those columns. The catalog then tells all of it as
-- facts, which no search_path, role or version changes.

-- The writer calls `is_erasing` by its name. This alone gives nobody a right on any table.
grant usage on schema lethe to public;

-- An update that leaves the column and the filter as they were passes. A column that the app has dropped is null here: the
-- app's writes go on, and the plan refuses until the data map follows.
create function lethe.refuse_late_row() returns trigger language plpgsql
  set search_path = pg_catalog, pg_temp as $$
declare
  written constant jsonb := to_jsonb(new);
  named constant text := written ->> tg_argv[0];
  before jsonb;
  is_new boolean := true;
  holds boolean;
begin
  if named is null then
    return new;
  end if;
  if tg_op = 'UPDATE' then
    before := to_jsonb(old);
    is_new := named is distinct from before ->> tg_argv[0];
    for place in 4 .. tg_nargs - 1 by 2 loop
      is_new := is_new or written ->> tg_argv[place] is distinct from before ->> tg_argv[place];
    end loop;
    if not is_new then
      return new;
    end if;
  end if;
  for place in 4 .. tg_nargs - 1 by 2 loop
    if written ->> tg_argv[place] is null then
      return new;
    end if;
    -- Compared as the column's own type, as the erasure does: `t` and `true` are one boolean and two texts.
    execute format('select ($1).%I = %L', tg_argv[place], tg_argv[place + 1]) into holds using new;
    if not holds then
      return new;
    end if;
  end loop;
  if tg_argv[1] = 'lethe' and tg_argv[2] = 'people' then
    holds := not lethe.is_erasing(named::bigint);
  else
    execute format('select true from %I.%I t where t.%I = ($1).%I for key share', tg_argv[1], tg_argv[2], tg_argv[3], tg_argv[0])
      into holds using new;
  end if;
  if holds then
    return new;
  end if;
  raise exception 'nothing may be written any more for a person who is being erased'
    using errcode = 'LT001', table = tg_table_name, schema = tg_table_schema;
end $$;

-- These run in the sessions of others, whose search_path may find anything before what is meant.
alter function lethe.is_absent(regclass, name, anynonarray) set search_path = pg_catalog, pg_temp;
alter function lethe.refuse_row() set search_path = pg_catalog, pg_temp;
alter function public.notify_outbox() set search_path = pg_catalog, pg_temp;
alter function public.guard_audit_events() set search_path = pg_catalog, pg_temp;

-- Bound to what it names when it is made, so that the planner can still put it into the statement.
create or replace function public.audit_event_text(e public.audit_events) returns text language sql stable
return pg_catalog.jsonb_build_array(e.position, e.id, e.deletion_id, e.event, e.details,
  pg_catalog.to_char(e.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))::pg_catalog.text;
