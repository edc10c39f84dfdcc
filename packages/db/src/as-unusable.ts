import { UnusableDatabaseError } from './session.ts'

/**
 * Converts an error that no retry can fix into one that says what the operator must do: the connection string is
 * wrong, or Lethe cannot use this database. Returns undefined for every other error, an unreachable server included.
 */
export function asUnusable(error: unknown): UnusableDatabaseError | undefined {
  if (!(error instanceof Error)) return undefined
  if (error instanceof AggregateError) return error.errors.map(asUnusable).find(Boolean)
  if (error instanceof UnusableDatabaseError) return error
  const { code = '' } = error as { code?: string }
  // PgBouncer rejects a start-up parameter that it does not know before the client can send a query.
  if (code === '08P01' && error.message.includes('startup parameter'))
    return new UnusableDatabaseError(
      'DATABASE_URL leads through a connection pooler that refuses its ?options=',
      'give the address of the PostgreSQL server itself',
    )
  if (untrustedCertificateCodes.has(code))
    return new UnusableDatabaseError(
      `The certificate of the database server is not signed by an authority that this machine knows (${code})`,
      'add sslrootcert=/path/to/ca.pem to DATABASE_URL, or name that file in NODE_EXTRA_CA_CERTS',
    )
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return new UnusableDatabaseError(
      'The certificate of the database server is for another host name',
      'use the name that it is for in DATABASE_URL',
    )
  if (error.message === 'The server does not support SSL connections')
    return new UnusableDatabaseError(
      'DATABASE_URL asks for TLS, and the database server offers none',
      'turn ssl on there, or take sslmode out of DATABASE_URL',
    )
  return undefined
}

const untrustedCertificateCodes = new Set([
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_GET_ISSUER_CERT',
  'CERT_HAS_EXPIRED',
])
