-- The four names by which the lifecycle knows a person. A schema of one's own joins by them, instead of users' own tables
-- (0001) and this.
create view lethe.people as select id, email as address, active from users;

-- True if they were active: whoever asks for the second time changes nothing.
create function lethe.deactivate(person bigint) returns boolean language plpgsql as $$
begin
  update users set active = false where id = person and active;
  return found;
end $$;

create function lethe.restore(person bigint) returns void language sql begin atomic
  update users set active = true where id = person;
end;

create function lethe.end_sessions(person bigint) returns void language sql begin atomic
  delete from sessions where user_id = person;
end;

create trigger erasure_fence_user_id before insert or update of user_id on sessions
  for each row when (lethe.is_erasing(new.user_id)) execute function lethe.refuse_row();
create trigger erasure_fence_user_id before insert or update of user_id on vault.person_keys
  for each row when (lethe.is_erasing(new.user_id)) execute function lethe.refuse_row();
create trigger erasure_fence_user_id before insert or update of user_id on saved_passwords
  for each row when (lethe.is_erasing(new.user_id)) execute function lethe.refuse_row();
create trigger erasure_fence_user_id before insert or update of user_id on avatars
  for each row when (lethe.is_erasing(new.user_id)) execute function lethe.refuse_row();
