import type { Role } from '@lethe/db'

export type SessionKind = 'cookie' | 'refresh'

/** A session that has not ended, of an active user. A caller who presents it acts as this user. */
export interface Session {
  id: string
  userId: number
  role: Role
  kind: SessionKind
  /** When the person last entered the password. */
  authenticatedAt: Date
  expiresAt: Date
}
