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
  return errors.map(({ keyword, instancePath, params, message }) => ({
    in: parts[context] ?? context,
    pointer: `#${instancePath}${keyword === 'required' ? `/${params.missingProperty}` : ''}`,
    detail: details[keyword] ?? message ?? 'is not valid',
  }))
}

const details: Record<string, string> = {
  required: 'is missing',
  additionalProperties: 'has a member that is not known here',
  pattern: 'is not written as it must be',
}
