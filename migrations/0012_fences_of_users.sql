-- Fences of users' own tables (0009) in the form of 0012_fences.
create or replace trigger erasure_fence_user_id before insert or update on public.sessions
  for each row execute function lethe.refuse_late_row('user_id', 'lethe', 'people', 'id');
create or replace trigger erasure_fence_user_id before insert or update on vault.person_keys
  for each row execute function lethe.refuse_late_row('user_id', 'lethe', 'people', 'id');
create or replace trigger erasure_fence_user_id before insert or update on public.saved_passwords
  for each row execute function lethe.refuse_late_row('user_id', 'lethe', 'people', 'id');
create or replace trigger erasure_fence_user_id before insert or update on public.avatars
  for each row execute function lethe.refuse_late_row('user_id', 'lethe', 'people', 'id');

-- As 0009 has it, with its own search_path. `restore` and `end_sessions` were bound to their tables when they were made.
create or replace function lethe.deactivate(person bigint) returns boolean language plpgsql
  set search_path = pg_catalog, pg_temp as $$
begin
  update public.users set active = false where id = person and active;
  return found;
end $$;
