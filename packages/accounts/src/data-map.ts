import { type DataMap, personFolder } from '@lethe/erasure'

const belongsTo = {
  description: 'The account this belongs to',
  export: false,
  reason: 'This whole archive belongs to one account.',
} as const
const random = {
  description: 'An internal number',
  export: false,
  reason: 'The number means nothing outside our database.',
} as const

/** The lease columns that `packages/lifecycle/src/lease.ts` uses. */
const leaseColumns = {
  lease: { description: 'An internal mark of the process that works on this', ...bookkeeping() },
  next_attempt_at: { description: 'When we will work on this next', ...bookkeeping() },
  attempts: { description: 'How many times we tried to do this', ...bookkeeping() },
}

const linkColumns = {
  token_nonce: {
    description: 'A random value from which we make the link in your mail',
    ...secret(),
  },
  token_hash: { description: 'A hash that we check the link in your mail against', ...secret() },
}

/** The tables in which the lifecycle stores personal data. The data map of every schema includes them. */
export const lifecycleTables: DataMap['tables'] = {
  deletions: {
    description: 'Your requests to delete this account',
    export: 'deletion',
    order: ['requested_at', 'id'],
    references: {
      user_id: {
        handled_by:
          'When the erasure ends, this row becomes a tombstone that no longer names the account.',
      },
    },
    columns: {
      id: { description: 'The number of the request, as mails from us mention it', export: 'id' },
      user_id: belongsTo,
      status: { description: 'The state of the request', export: 'status' },
      requested_at: { description: 'When you asked for the deletion', export: 'requestedAt' },
      erase_after: {
        description: 'The date after which we erase the account',
        export: 'eraseAfter',
      },
      next_reminder_at: { description: 'When we will send the next reminder', ...bookkeeping() },
      cancelled_at: { description: 'When the deletion was cancelled', export: 'cancelledAt' },
      claimed_at: {
        description: 'When the erasure began and could no longer be cancelled',
        ...afterwards(),
      },
      erased_at: { description: 'When the erasure was complete', ...afterwards() },
      ...linkColumns,
      erased_counts: { description: 'How many rows and files we erased', ...afterwards() },
      ...leaseColumns,
      released_at: { description: 'When an operator allowed the erasure', ...bookkeeping() },
      files_found: {
        description: 'How many of your files we found when the erasure began',
        ...afterwards(),
      },
      files_missing: {
        description: 'How many of your files were missing when the erasure began',
        ...afterwards(),
      },
      files_accepted: {
        description: 'How many missing files an operator accepted as lost',
        ...afterwards(),
      },
      passed_at: { description: 'When our safety check allowed the erasure', ...bookkeeping() },
      new_account: {
        description: 'Whether your account was less than a week old at the request',
        ...bookkeeping(),
      },
    },
  },
  exports: {
    description: 'The copies of your data that you asked for, this one included',
    export: 'exports',
    order: ['requested_at', 'id'],
    references: {
      user_id: { handled_by: 'When the erasure ends, this row no longer names the account.' },
    },
    columns: {
      id: random,
      deletion_id: {
        description: 'The deletion request that this copy belongs to',
        ...bookkeeping(),
      },
      user_id: belongsTo,
      status: { description: 'The state of the copy', export: 'status' },
      requested_at: { description: 'When you asked for the copy', export: 'requestedAt' },
      created_at: { description: 'When we made the copy', export: 'createdAt' },
      expires_at: { description: 'When the download link stops working', export: 'expiresAt' },
      downloads: { description: 'How many times the copy was downloaded', export: 'downloads' },
      downloaded_at: { description: 'When the copy was last downloaded', export: 'downloadedAt' },
      recent_tickets: { description: 'The latest downloads of the copy', ...bookkeeping() },
      checked_at: {
        description: 'When we last checked that the file of the copy exists',
        ...bookkeeping(),
      },
      missing_since: {
        description: 'When we first noticed that the file of the copy was missing',
        ...bookkeeping(),
      },
      file_name: { description: 'Where the file of the copy is stored', ...secret() },
      bytes: { description: 'The size of the copy in bytes', ...bookkeeping() },
      sha256: {
        description: 'The checksum of the copy',
        export: false,
        reason: 'An archive cannot contain its own checksum.',
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
  folders: { [uploads]: { description: 'Your profile picture', export: 'avatars' } },
  tables: {
    users: {
      description: 'Your account',
      export: 'profile',
      references: {},
      columns: {
        id: { description: 'The number of your account', export: 'id' },
        email: { description: 'Your email address', export: 'email' },
        display_name: { description: 'The name you chose to show', export: 'displayName' },
        password_hash: {
          description: 'A hash that we check your password against',
          export: false,
          reason: 'The hash would only help someone to guess your password.',
        },
        role: { description: 'Your role, member or administrator', export: 'role' },
        active: { description: 'Whether you can log in to this account', export: 'active' },
        created_at: { description: 'When you signed up', export: 'createdAt' },
      },
    },
    'vault.person_keys': {
      description: 'The key that decrypts your saved passwords',
      first: true,
      references: { user_id: 'delete' },
      columns: {
        user_id: belongsTo,
        sealed_key: {
          description: 'The encrypted key',
          export: false,
          reason: 'We show your saved passwords only after you enter your account password.',
        },
      },
    },
    saved_passwords: {
      description: 'Your saved passwords, without the passwords themselves',
      order: ['created_at', 'id'],
      references: { user_id: 'delete' },
      columns: {
        id: random,
        user_id: belongsTo,
        site: { description: 'The site that the password is for', export: 'site' },
        username: { description: 'Your user name on that site', export: 'username' },
        secret: {
          description: 'The encrypted password',
          export: false,
          reason: 'We show your saved passwords only after you enter your account password.',
        },
        created_at: { description: 'When you saved the password', export: 'createdAt' },
      },
    },
    sessions: {
      description: 'Your logins that have not ended',
      order: ['authenticated_at', 'id'],
      references: { user_id: 'delete' },
      columns: {
        id: random,
        user_id: belongsTo,
        kind: { description: 'Whether you logged in with a browser or an app', export: 'kind' },
        token_hash: {
          description: 'A hash that we check your login against',
          export: false,
          reason: 'The hash is of no use to you: it does not log anyone in.',
        },
        authenticated_at: {
          description: 'When you entered your password',
          export: 'authenticatedAt',
        },
        expires_at: { description: 'When the login expires', export: 'expiresAt' },
      },
    },
    avatars: {
      description: 'Your profile picture',
      export: 'avatar',
      references: { user_id: 'delete' },
      files: { folder: uploads, name: 'file_name', bytes: 'bytes' },
      columns: {
        user_id: belongsTo,
        file_name: {
          description: 'Where the picture is stored',
          export: false,
          reason: 'The archive holds the picture itself.',
        },
        content_type: { description: 'The image format of the picture', export: 'contentType' },
        bytes: { description: 'The size of the picture in bytes', export: 'bytes' },
        created_at: { description: 'When you uploaded the picture', export: 'createdAt' },
      },
    },
    ...lifecycleTables,
  },
}

function bookkeeping() {
  return { export: false, reason: 'This is about how our service works, not about you.' } as const
}

function secret() {
  return { export: false, reason: 'Anyone who knows this could act in your name.' } as const
}

function afterwards() {
  return {
    export: false,
    reason: 'This is empty for as long as a copy of your data can be made.',
  } as const
}

/** The folder that holds the pictures of this user. */
export function picturesFolder(uploadDir: string, userId: number): string {
  return personFolder(uploadDir, uploads, userId)
}
