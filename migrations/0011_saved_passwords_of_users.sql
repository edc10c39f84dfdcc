-- They are read oldest first: so they are found in that order, and not sorted each time.
create index saved_passwords_in_order on saved_passwords (user_id, created_at, id);
drop index saved_passwords_user_id;
