import type { Role } from '@lethe/db'

export type SessionKind = 'cookie' | 'refresh'

/** A session that is not over, of a user who is active: whoever holds one is asking as this user. */
export interface Session {
  id: string
  userId: number
  role: Role
  kind: SessionKind
  /** When the password was last shown. */
  authenticatedAt: Date
  expiresAt: Date
}
