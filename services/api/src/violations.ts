import type { FastifySchemaValidationError } from 'fastify'

/** One error in a request. `pointer` is a JSON Pointer (RFC 6901) into the part of the request named by `in`. */
export interface Violation {
  in: string
  pointer: string
  detail: string
}

const parts: Record<string, string> = { params: 'path', querystring: 'query', headers: 'header' }

/** A body of 64 KiB can have thousands of violations: the answer lists the first ones and counts the rest. */
const MAX_VIOLATIONS = 20

/** The members of a problem document that list these violations. */
export function violationMembers(all: Violation[]): Record<string, unknown> {
  const more = all.length - MAX_VIOLATIONS
  return { errors: all.slice(0, MAX_VIOLATIONS), ...(more > 0 && { moreErrors: more }) }
}

/** Describes what the schema requires. Of the request's content it quotes only the names of unknown members. */
export function violations(
  errors: readonly FastifySchemaValidationError[],
  context = 'body',
): Violation[] {
  const found = new Map<string, Violation>()
  for (const { keyword, instancePath, params, message } of closestShapeErrors(errors)) {
    const member = String(params.missingProperty ?? params.additionalProperty ?? '')
    const pointer = `#${instancePath}${member && `/${escaped(member)}`}`
    const detail = formats[String(params.format)] ?? details[keyword] ?? message ?? 'is not valid'
    // Several shapes may report the same violation.
    found.set(`${pointer} ${detail}`, { in: parts[context] ?? context, pointer, detail })
  }
  return [...found.values()]
}

/** Where a body may have several shapes, keeps the errors of the shapes with the fewest unknown members: the likely intent. */
function closestShapeErrors(
  errors: readonly FastifySchemaValidationError[],
): readonly FastifySchemaValidationError[] {
  const byShape = new Map<string, FastifySchemaValidationError[]>()
  for (const error of errors) {
    // The errors of each shape say more than the error that no shape fits.
    if (error.keyword === 'anyOf' || error.params.type === 'null') continue
    const shape = /anyOf\/\d+/.exec(error.schemaPath)?.[0] ?? ''
    const same = byShape.get(shape)
    if (same) same.push(error)
    else byShape.set(shape, [error])
  }
  const common = byShape.get('') ?? []
  byShape.delete('')
  const shapes = [...byShape.values()]
  const countUnknown = (shape: FastifySchemaValidationError[]) =>
    shape.filter(({ keyword }) => keyword === 'additionalProperties').length
  const fewest = Math.min(...shapes.map(countUnknown))
  const selected = [...common, ...shapes.filter((shape) => countUnknown(shape) === fewest).flat()]
  return selected.length > 0 ? selected : errors
}

const MAX_NAME_LENGTH = 64

/** Escapes a name for a JSON Pointer and shortens it: a name may be as long as the whole body. */
function escaped(name: string): string {
  const short = name.length > MAX_NAME_LENGTH ? `${name.slice(0, MAX_NAME_LENGTH)}…` : name
  return short.replaceAll('~', '~0').replaceAll('/', '~1')
}

const formats: Record<string, string> = {
  'user-id': 'must be a whole number from 1 to 9007199254740991',
  'password-bytes': 'must have 8 to 1,024 bytes',
  'email-address': 'must be an e-mail address',
  'email-local-part':
    "may have only these characters before the @: ASCII letters, digits, dots and !#$%&'*+/=?^_`{|}~-: addresses in other scripts are not accepted yet",
  'email-domain': 'must have a domain name after the @, such as example.com',
}

const details: Record<string, string> = {
  required: 'is missing',
  additionalProperties: 'is not a member we know',
  pattern: 'does not have the required form',
}
