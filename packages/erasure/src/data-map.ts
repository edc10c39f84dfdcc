/**
 * Every table that holds rows of a person, and the column that says whose they are, in the order of erasure:
 * the key that opens the passwords first of all, the person last.
 * A test holds this list against the foreign keys of the live schema.
 */
export const dataMap = [
  { table: 'vault.person_keys', column: 'user_id' },
  { table: 'saved_passwords', column: 'user_id' },
  { table: 'sessions', column: 'user_id' },
  { table: 'avatars', column: 'user_id' },
  { table: 'users', column: 'id' },
] as const
