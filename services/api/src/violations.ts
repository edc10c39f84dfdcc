import type { FastifySchemaValidationError } from 'fastify'

/** One thing that is wrong with a request. `pointer` is a JSON Pointer (RFC 6901) into the part named by `in`. */
export interface Violation {
  in: string
  pointer: string
  detail: string
}

const parts: Record<string, string> = { params: 'path', querystring: 'query', headers: 'header' }

/** A body of 64 KiB can have thousands of faults: the answer names the first, and counts the others. */
const MAX_VIOLATIONS = 20

/** The members of a problem that name these faults. */
export function violationMembers(all: Violation[]): Record<string, unknown> {
  const more = all.length - MAX_VIOLATIONS
  return { errors: all.slice(0, MAX_VIOLATIONS), ...(more > 0 && { moreErrors: more }) }
}

/** Tells what the schema asks for, and of what was sent the names of unknown members alone. */
export function violations(
  errors: readonly FastifySchemaValidationError[],
  context = 'body',
): Violation[] {
  const found = new Map<string, Violation>()
  for (const { keyword, instancePath, params, message } of tellingErrors(errors)) {
    const member = String(params.missingProperty ?? params.additionalProperty ?? '')
    const pointer = `#${instancePath}${member && `/${escaped(member)}`}`
    const detail = formats[String(params.format)] ?? details[keyword] ?? message ?? 'is not valid'
    // Several shapes may say the same.
    found.set(`${pointer} ${detail}`, { in: parts[context] ?? context, pointer, detail })
  }
  return [...found.values()]
}

/** Of several shapes that a body may have, those speak that know most of its members: it was meant to have one of them. */
function tellingErrors(
  errors: readonly FastifySchemaValidationError[],
): readonly FastifySchemaValidationError[] {
  const byShape = new Map<string, FastifySchemaValidationError[]>()
  for (const error of errors) {
    // That none of several shapes fits says less than what is wrong with each.
    if (error.keyword === 'anyOf' || error.params.type === 'null') continue
    const shape = /anyOf\/\d+/.exec(error.schemaPath)?.[0] ?? ''
    const same = byShape.get(shape)
    if (same) same.push(error)
    else byShape.set(shape, [error])
  }
  const common = byShape.get('') ?? []
  byShape.delete('')
  const shapes = [...byShape.values()]
  const unknown = (shape: FastifySchemaValidationError[]) =>
    shape.filter(({ keyword }) => keyword === 'additionalProperties').length
  const least = Math.min(...shapes.map(unknown))
  const telling = [...common, ...shapes.filter((shape) => unknown(shape) === least).flat()]
  return telling.length > 0 ? telling : errors
}

const MAX_NAME_LENGTH = 64

/** As a part of a JSON Pointer; a name that the sender made up may be as long as a body. */
function escaped(name: string): string {
  const short = name.length > MAX_NAME_LENGTH ? `${name.slice(0, MAX_NAME_LENGTH)}…` : name
  return short.replaceAll('~', '~0').replaceAll('/', '~1')
}

const formats: Record<string, string> = {
  'user-id': 'must be a whole number from 1 to 9007199254740991',
  'password-bytes': 'must have 8 to 1,024 bytes',
  'email-address': 'must be an e-mail address',
  'email-local-part':
    "must have no characters before the @ but letters of ASCII, digits, dots and !#$%&'*+/=?^_`{|}~-: addresses in other scripts are not taken yet",
  'email-domain': 'must have the name of a domain after the @, like example.com',
}

const details: Record<string, string> = {
  required: 'is missing',
  additionalProperties: 'is not known here',
  pattern: 'is not written as it must be',
}
