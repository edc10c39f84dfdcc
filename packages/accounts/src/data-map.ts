import { type DataMap, personFolder } from '@lethe/erasure'

const belongsTo = { is: 'whose it is', export: { not: 'the whole archive is of one account' } }
const random = { is: 'the number of the row', export: { not: 'it means nothing outside' } }

/** As `packages/lifecycle/src/lease.ts` works with them. */
const leaseColumns = {
  lease: { is: 'who works on it', export: bookkeeping() },
  next_attempt_at: { is: 'when it is worked on', export: bookkeeping() },
  attempts: { is: 'how often it was', export: bookkeeping() },
}

const linkColumns = {
  token_nonce: { is: 'from which the link of the mail is made', export: secret() },
  token_hash: { is: 'what that link is checked against', export: secret() },
}

/** What the lifecycle itself knows of a person: part of the map of every schema. */
export const lifecycleTables: DataMap['tables'] = {
  deletions: {
    is: 'a deletion that was asked for',
    export: 'deletion',
    order: ['requested_at', 'id'],
    links: { user_id: { otherwise: 'the finish of an erasure makes a tombstone of it' } },
    columns: {
      id: { is: 'its number, which mails and logs name', export: 'id' },
      user_id: belongsTo,
      status: { is: 'how far it is', export: 'status' },
      requested_at: { is: 'when it was asked for', export: 'requestedAt' },
      erase_after: { is: 'the date of the erasure', export: 'eraseAfter' },
      next_reminder_at: { is: 'when the next mail is due', export: bookkeeping() },
      cancelled_at: { is: 'when it was cancelled', export: 'cancelledAt' },
      claimed_at: { is: 'when there was no way back', export: afterwards() },
      erased_at: { is: 'when it was done', export: afterwards() },
      ...linkColumns,
      erased_counts: { is: 'how much was erased', export: afterwards() },
      ...leaseColumns,
      released_at: { is: 'when an operator let it pass', export: bookkeeping() },
      files_found: { is: 'how many files were found for the erasure', export: afterwards() },
      files_missing: { is: 'how many of them were missing', export: afterwards() },
      files_accepted: { is: 'how many an operator gave up for lost', export: afterwards() },
      passed_at: { is: 'when the circuit breaker let it pass', export: bookkeeping() },
      new_account: {
        is: 'whether the account was younger than a week at the request',
        export: bookkeeping(),
      },
    },
  },
  exports: {
    is: 'an archive like this one',
    export: 'exports',
    order: ['requested_at', 'id'],
    links: { user_id: { otherwise: 'the finish of an erasure empties it' } },
    columns: {
      id: random,
      deletion_id: { is: 'the deletion that promised it', export: bookkeeping() },
      user_id: belongsTo,
      status: { is: 'how far it is', export: 'status' },
      requested_at: { is: 'when it was asked for', export: 'requestedAt' },
      created_at: { is: 'when it was made', export: 'createdAt' },
      expires_at: { is: 'until when it can be fetched', export: 'expiresAt' },
      downloads: { is: 'how often it was fetched', export: 'downloads' },
      downloaded_at: { is: 'when it was fetched last', export: 'downloadedAt' },
      recent_tickets: { is: 'the latest downloads of it', export: bookkeeping() },
      checked_at: { is: 'when its file was last looked for', export: bookkeeping() },
      missing_since: { is: 'since when its file is missing', export: bookkeeping() },
      file_name: { is: 'where it lies', export: secret() },
      bytes: { is: 'its size', export: bookkeeping() },
      sha256: { is: 'its hash', export: { not: 'it would be the hash of itself' } },
      ...linkColumns,
      ...leaseColumns,
    },
  },
}

/** Of one person, below UPLOAD_DIR. */
const uploads = '{person}'

/** All that Lethe itself holds of a person. */
export const dataMap: DataMap = {
  person: { table: 'users', key: 'id' },
  exportNote:
    'Of your saved passwords this copy has the sites and user names, and not the passwords themselves: whoever reads your mail must not be able to open them. Log in to see them; while the account waits to be erased, open the page that the mail about this archive links to and enter the password of your account.',
  folders: { [uploads]: { is: 'the pictures', export: 'avatars' } },
  tables: {
    users: {
      is: 'an account',
      export: 'profile',
      links: {},
      columns: {
        id: { is: 'its number', export: 'id' },
        email: { is: 'the address', export: 'email' },
        display_name: { is: 'the name', export: 'displayName' },
        password_hash: {
          is: 'what a password is checked against',
          export: { not: 'it would only help to guess the password' },
        },
        role: { is: 'member or administrator', export: 'role' },
        active: { is: 'whether anybody can log in', export: 'active' },
        created_at: { is: 'when it was made', export: 'createdAt' },
      },
    },
    'vault.person_keys': {
      is: 'the key that opens the saved passwords',
      first: true,
      links: { user_id: 'delete' },
      columns: {
        user_id: belongsTo,
        sealed_key: {
          is: 'the key, sealed',
          export: { not: 'the passwords are handed over only to whoever shows the password' },
        },
      },
    },
    saved_passwords: {
      is: 'a saved password',
      order: ['created_at', 'id'],
      links: { user_id: 'delete' },
      columns: {
        id: random,
        user_id: belongsTo,
        site: { is: 'where it is used', export: 'site' },
        username: { is: 'the name that is used there', export: 'username' },
        secret: {
          is: 'the password, sealed',
          export: { not: 'handed over only to whoever shows the password of the account' },
        },
        created_at: { is: 'when it was saved', export: 'createdAt' },
      },
    },
    sessions: {
      is: 'a log-in',
      order: ['authenticated_at', 'id'],
      links: { user_id: 'delete' },
      columns: {
        id: random,
        user_id: belongsTo,
        kind: { is: 'by browser or by app', export: 'kind' },
        token_hash: { is: 'what a token is checked against', export: { not: 'it opens nothing' } },
        authenticated_at: { is: 'when the password was shown', export: 'authenticatedAt' },
        expires_at: { is: 'when it ends of itself', export: 'expiresAt' },
      },
    },
    avatars: {
      is: 'a picture',
      export: 'avatar',
      links: { user_id: 'delete' },
      files: { folder: uploads, name: 'file_name', bytes: 'bytes' },
      columns: {
        user_id: belongsTo,
        file_name: { is: 'where the file lies', export: { not: 'the file itself is handed over' } },
        content_type: { is: 'what kind of image it is', export: 'contentType' },
        bytes: { is: 'its size', export: 'bytes' },
        created_at: { is: 'when it was uploaded', export: 'createdAt' },
      },
    },
    ...lifecycleTables,
  },
}

function bookkeeping() {
  return { not: 'it tells of our work and not of the person' }
}

function secret() {
  return { not: 'whoever knows it could act in the name of the person' }
}

function afterwards() {
  return { not: 'there is none while an archive can be made' }
}

/** Where somebody's pictures lie. */
export function picturesFolder(uploadDir: string, userId: number): string {
  return personFolder(uploadDir, uploads, userId)
}
