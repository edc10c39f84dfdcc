import { isUnavailable } from '../errors.ts'

/** A migration failed. The message is one line for the operator. */
export class MigrationError extends Error {
  override name = 'MigrationError'
}

interface DatabaseFault extends Error {
  code?: string
  schema?: string
  table?: string
  column?: string
  constraint?: string
}

/**
 * Names the schema objects that PostgreSQL names. The message of PostgreSQL is kept only if it quotes identifiers
 * (SQLSTATE class 42) and never values. An error that the migration did not cause, such as a lost connection, is
 * returned unchanged.
 */
export function asMigrationError(name: string, error: DatabaseFault): Error {
  const { code, schema, table, column, constraint } = error
  if (code === undefined || isUnavailable(error)) return error
  const facts = [
    code.startsWith('42') && error.message,
    table && `table ${schema ? `${schema}.` : ''}${table}`,
    column && `column ${column}`,
    constraint && `constraint ${constraint}`,
    `SQLSTATE ${code}`,
  ].filter(Boolean)
  return new MigrationError(
    `Migration ${name} failed and was rolled back; those before it stay applied (${facts.join(', ')}).`,
    { cause: error },
  )
}
