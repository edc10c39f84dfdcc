-- A fence carries what it needs in its arguments: the column that names another row; schema, table and key of what it names
-- (`lethe.people`, `id` for a person); and pairs of a column and a value, for rows that hold these values alone. It has neither
-- a condition nor a list of columns: either would bar the app from altering those columns. The catalog then tells all of it as
-- facts, which no search_path, role or version changes.

-- The writer calls `is_erasing` by its name. This alone gives nobody a right on any table.
grant usage on schema lethe to public;

-- An update that leaves the column and the filter as they were passes. Where the app has dropped one of
-- the columns its writes go on, and the plan refuses until the data map follows.
create function lethe.refuse_late_row() returns trigger language plpgsql
  set search_path = pg_catalog, pg_temp as $$
declare
  -- The column and those of the filter, each as text: the rest of the row may be large, and is not looked at.
  columns text := format('($1).%I::text', tg_argv[0]);
  written text[];
  before text[];
  holds boolean;
begin
  for place in 4 .. tg_nargs - 1 by 2 loop
    columns := columns || format(', ($1).%I::text', tg_argv[place]);
  end loop;
  begin
    execute format('select array[%s]', columns) into written using new;
    if tg_op = 'UPDATE' then
      execute format('select array[%s]', columns) into before using old;
    end if;
  exception when undefined_column then
    return new;
  end;
  if written[1] is null or written is not distinct from before then
    return new;
  end if;
  for place in 4 .. tg_nargs - 1 by 2 loop
    -- Compared as the column's own type, as the erasure does: `t` and `true` are one boolean and two texts.
    execute format('select ($1).%I = %L', tg_argv[place], tg_argv[place + 1]) into holds using new;
    if holds is not true then
      return new;
    end if;
  end loop;
  if tg_argv[1] = 'lethe' and tg_argv[2] = 'people' then
    holds := not lethe.is_erasing(written[1]::bigint);
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
