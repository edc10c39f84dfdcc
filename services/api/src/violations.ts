import type { FastifySchemaValidationError } from 'fastify'

/** One thing that is wrong with a request. `pointer` is a JSON Pointer (RFC 6901) into the part named by `in`. */
export interface Violation {
  in: string
  pointer: string
  detail: string
}

const parts: Record<string, string> = { params: 'path', querystring: 'query', headers: 'header' }

/** Tells what the schema asks for, and nothing of what was sent. */
export function violations(
  errors: readonly FastifySchemaValidationError[],
  context = 'body',
): Violation[] {
  // That none of several shapes fits says less than what is missing from each.
  const telling = errors.filter(
    ({ keyword, params }) => keyword !== 'anyOf' && params.type !== 'null',
  )
  return (telling.length > 0 ? telling : errors).map(
    ({ keyword, instancePath, params, message }) => ({
      in: parts[context] ?? context,
      pointer: `#${instancePath}${keyword === 'required' ? `/${params.missingProperty}` : ''}`,
      detail: formats[String(params.format)] ?? details[keyword] ?? message ?? 'is not valid',
    }),
  )
}

const formats: Record<string, string> = {
  'user-id': 'must be a whole number from 1 to 9007199254740991',
  'password-bytes': 'must have 8 to 1,024 bytes',
  email: 'must be an e-mail address',
}

const details: Record<string, string> = {
  required: 'is missing',
  additionalProperties: 'has a member that is not known here',
  pattern: 'is not written as it must be',
}
