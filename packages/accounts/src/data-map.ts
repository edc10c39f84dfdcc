import { type DataMap, personFolder } from '@lethe/erasure'

const belongsTo = {
  is: 'The account this belongs to',
  export: { not: 'This whole archive belongs to one account.' },
}
const random = {
  is: 'An internal number',
  export: { not: 'The number means nothing outside our database.' },
}

/** The lease columns that `packages/lifecycle/src/lease.ts` uses. */
const leaseColumns = {
  lease: { is: 'An internal mark of the process that works on this', export: bookkeeping() },
  next_attempt_at: { is: 'When we will work on this next', export: bookkeeping() },
  attempts: { is: 'How many times we tried to do this', export: bookkeeping() },
}

const linkColumns = {
  token_nonce: { is: 'A random value from which we make the link in your mail', export: secret() },
  token_hash: { is: 'A hash that we check the link in your mail against', export: secret() },
}

/** The tables in which the lifecycle stores personal data. The data map of every schema includes them. */
export const lifecycleTables: DataMap['tables'] = {
  deletions: {
    is: 'Your requests to delete this account',
    export: 'deletion',
    order: ['requested_at', 'id'],
    links: {
      user_id: {
        otherwise:
          'When the erasure ends, this row becomes a tombstone that no longer names the account.',
      },
    },
    columns: {
      id: { is: 'The number of the request, as mails from us mention it', export: 'id' },
      user_id: belongsTo,
      status: { is: 'The state of the request', export: 'status' },
      requested_at: { is: 'When you asked for the deletion', export: 'requestedAt' },
      erase_after: { is: 'The date after which we erase the account', export: 'eraseAfter' },
      next_reminder_at: { is: 'When we will send the next reminder', export: bookkeeping() },
      cancelled_at: { is: 'When the deletion was cancelled', export: 'cancelledAt' },
      claimed_at: {
        is: 'When the erasure began and could no longer be cancelled',
        export: afterwards(),
      },
      erased_at: { is: 'When the erasure was complete', export: afterwards() },
      ...linkColumns,
      erased_counts: { is: 'How many rows and files we erased', export: afterwards() },
      ...leaseColumns,
      released_at: { is: 'When an operator allowed the erasure', export: bookkeeping() },
      files_found: {
        is: 'How many of your files we found when the erasure began',
        export: afterwards(),
      },
      files_missing: {
        is: 'How many of your files were missing when the erasure began',
        export: afterwards(),
      },
      files_accepted: {
        is: 'How many missing files an operator accepted as lost',
        export: afterwards(),
      },
      passed_at: { is: 'When our safety check allowed the erasure', export: bookkeeping() },
      new_account: {
        is: 'Whether your account was less than a week old at the request',
        export: bookkeeping(),
      },
    },
  },
  exports: {
    is: 'The copies of your data that you asked for, this one included',
    export: 'exports',
    order: ['requested_at', 'id'],
    links: {
      user_id: { otherwise: 'When the erasure ends, this row no longer names the account.' },
    },
    columns: {
      id: random,
      deletion_id: { is: 'The deletion request that this copy belongs to', export: bookkeeping() },
      user_id: belongsTo,
      status: { is: 'The state of the copy', export: 'status' },
      requested_at: { is: 'When you asked for the copy', export: 'requestedAt' },
      created_at: { is: 'When we made the copy', export: 'createdAt' },
      expires_at: { is: 'When the download link stops working', export: 'expiresAt' },
      downloads: { is: 'How many times the copy was downloaded', export: 'downloads' },
      downloaded_at: { is: 'When the copy was last downloaded', export: 'downloadedAt' },
      recent_tickets: { is: 'The latest downloads of the copy', export: bookkeeping() },
      checked_at: {
        is: 'When we last checked that the file of the copy exists',
        export: bookkeeping(),
      },
      missing_since: {
        is: 'When we first noticed that the file of the copy was missing',
        export: bookkeeping(),
      },
      file_name: { is: 'Where the file of the copy is stored', export: secret() },
      bytes: { is: 'The size of the copy in bytes', export: bookkeeping() },
      sha256: {
        is: 'The checksum of the copy',
        export: { not: 'An archive cannot contain its own checksum.' },
      },
      ...linkColumns,
      ...leaseColumns,
    },
  },
}

/** The folder of one person, below UPLOAD_DIR. */
const uploads = '{person}'

/** All personal data that Lethe itself stores. */
export const dataMap: DataMap = {
  person: { table: 'users', key: 'id' },
  exportNote:
    'This copy lists the sites and user names of your saved passwords, but not the passwords themselves, because a person who reads your mail must not get them. Log in to see them. If your account is waiting to be erased, open the page that the mail about this archive links to and enter your account password there.',
  folders: { [uploads]: { is: 'Your profile picture', export: 'avatars' } },
  tables: {
    users: {
      is: 'Your account',
      export: 'profile',
      links: {},
      columns: {
        id: { is: 'The number of your account', export: 'id' },
        email: { is: 'Your email address', export: 'email' },
        display_name: { is: 'The name you chose to show', export: 'displayName' },
        password_hash: {
          is: 'A hash that we check your password against',
          export: { not: 'The hash would only help someone to guess your password.' },
        },
        role: { is: 'Your role, member or administrator', export: 'role' },
        active: { is: 'Whether you can log in to this account', export: 'active' },
        created_at: { is: 'When you signed up', export: 'createdAt' },
      },
    },
    'vault.person_keys': {
      is: 'The key that decrypts your saved passwords',
      first: true,
      links: { user_id: 'delete' },
      columns: {
        user_id: belongsTo,
        sealed_key: {
          is: 'The encrypted key',
          export: {
            not: 'We show your saved passwords only after you enter your account password.',
          },
        },
      },
    },
    saved_passwords: {
      is: 'Your saved passwords, without the passwords themselves',
      order: ['created_at', 'id'],
      links: { user_id: 'delete' },
      columns: {
        id: random,
        user_id: belongsTo,
        site: { is: 'The site that the password is for', export: 'site' },
        username: { is: 'Your user name on that site', export: 'username' },
        secret: {
          is: 'The encrypted password',
          export: {
            not: 'We show your saved passwords only after you enter your account password.',
          },
        },
        created_at: { is: 'When you saved the password', export: 'createdAt' },
      },
    },
    sessions: {
      is: 'Your logins that have not ended',
      order: ['authenticated_at', 'id'],
      links: { user_id: 'delete' },
      columns: {
        id: random,
        user_id: belongsTo,
        kind: { is: 'Whether you logged in with a browser or an app', export: 'kind' },
        token_hash: {
          is: 'A hash that we check your login against',
          export: { not: 'The hash is of no use to you: it does not log anyone in.' },
        },
        authenticated_at: { is: 'When you entered your password', export: 'authenticatedAt' },
        expires_at: { is: 'When the login expires', export: 'expiresAt' },
      },
    },
    avatars: {
      is: 'Your profile picture',
      export: 'avatar',
      links: { user_id: 'delete' },
      files: { folder: uploads, name: 'file_name', bytes: 'bytes' },
      columns: {
        user_id: belongsTo,
        file_name: {
          is: 'Where the picture is stored',
          export: { not: 'The archive holds the picture itself.' },
        },
        content_type: { is: 'The image format of the picture', export: 'contentType' },
        bytes: { is: 'The size of the picture in bytes', export: 'bytes' },
        created_at: { is: 'When you uploaded the picture', export: 'createdAt' },
      },
    },
    ...lifecycleTables,
  },
}

function bookkeeping() {
  return { not: 'This is about how our service works, not about you.' }
}

function secret() {
  return { not: 'Anyone who knows this could act in your name.' }
}

function afterwards() {
  return { not: 'This is empty for as long as a copy of your data can be made.' }
}

/** The folder that holds the pictures of this user. */
export function picturesFolder(uploadDir: string, userId: number): string {
  return personFolder(uploadDir, uploads, userId)
}
