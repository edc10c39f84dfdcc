-- Whoever has a great many rows is erased in portions: what has gone already is counted while the rest is still there.
alter table deletions drop constraint deletions_check8;
alter table deletions add constraint deletions_counts check (
  case status when 'erased' then erased_counts is not null when 'erasing' then true else erased_counts is null end
);
