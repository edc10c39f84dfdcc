import { isUnavailable } from '../errors.ts'

/** A migration that did not succeed, in one line for the operator. */
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
 * Names what PostgreSQL names. Its message is kept where it quotes identifiers alone (SQLSTATE class 42), never values.
 * What is no fault of the migration, such as a lost connection, stays as it is.
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
