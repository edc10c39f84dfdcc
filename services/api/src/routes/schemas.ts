import type { DeletionStatus, ExportStatus } from '@lethe/db'
import { Type } from 'typebox'

export const Time = Type.Unsafe<Date>({
  type: 'string',
  format: 'date-time',
  description: 'RFC 3339, UTC',
})
/** A UUID in a form that PostgreSQL accepts; the `uuid` format of JSON Schema also allows `urn:uuid:`. */
export const Id = Type.String({
  pattern: '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$',
})
export const UserParams = Type.Object({ userId: Type.String({ format: 'user-id' }) })

/** The address of an account that may exist. */
export const Email = Type.String({ format: 'email-address', maxLength: 254 })
/** An address that mail can be sent to. */
export const NewEmail = Type.Unsafe<string>({
  type: 'string',
  maxLength: 254,
  allOf: [{ format: 'email-address' }, { format: 'email-local-part' }, { format: 'email-domain' }],
  description:
    'An e-mail address. A domain in another script is stored as `xn--…`; the part before the @ must be ASCII',
})
export const Password = Type.String({
  format: 'password-bytes',
  description:
    '8 to 1,024 bytes of UTF-8, counted as sent. It is normalized (RFC 8265) before it is hashed',
})
/** A password to verify. It has no length rule: a wrong one is rejected as wrong, not as malformed. */
export const ShownPassword = Type.String()
export const Credentials = Type.Object(
  { email: Email, password: ShownPassword },
  { additionalProperties: false },
)
export const LinkToken = Type.Object(
  { token: Type.String({ minLength: 1, maxLength: 128 }) },
  { additionalProperties: false },
)

export const User = Type.Object({
  id: Type.Integer(),
  email: Type.String(),
  displayName: Type.Union([Type.String(), Type.Null()]),
  createdAt: Time,
})

export const DeletionState = Type.Unsafe<DeletionStatus>({
  type: 'string',
  enum: ['pending', 'cancelled', 'erasing', 'erased'],
})
export const ExportState = Type.Unsafe<ExportStatus>({
  type: 'string',
  enum: ['pending', 'ready', 'failed', 'withdrawn', 'expired'],
})

export const NoContent = Type.Unsafe<void>({ type: 'null', description: 'Done; no body' })
