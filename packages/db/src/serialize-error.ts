interface ErrorLine {
  type: string
  message: string
  stack: string
  [fact: string]: unknown
}

/** Describes an error for the log without values of rows, bodies or paths, which may contain a person's id. */
export function serializeError(error: unknown): ErrorLine {
  if (!(error instanceof Error)) return { type: typeof error, message: '', stack: '' }
  const { code, schema, table, column, constraint } = error as Error & Facts
  return {
    type: error.name,
    message: buildMessage(error),
    code,
    schema,
    table,
    column,
    constraint,
    stack: readStackFrames(error),
    ...(error instanceof AggregateError && { errors: error.errors.map(serializeError) }),
    ...(error.cause !== undefined && { cause: serializeError(error.cause) }),
  }
}

/** Fields of PostgreSQL that name schema objects, and fields of Node that name the failed call. */
interface Facts {
  code?: string
  severity?: string
  schema?: string
  table?: string
  column?: string
  dataType?: string
  constraint?: string
  syscall?: string
  path?: string
  dest?: string
  info?: { code?: string; path?: string; dest?: string; syscall?: string }
}

/** Builds a message from the facts if the error's own message quotes data. */
function buildMessage(error: Error & Facts): string {
  if (error.severity !== undefined) return describePostgresError(error)
  // The message of the JSON parser quotes its input.
  if (error instanceof SyntaxError) return ''
  const { path, dest, syscall, code, info } = error
  const quotesPath = [path, dest, info?.path, info?.dest].some((one) => one !== undefined)
  if (quotesPath) return [code ?? info?.code, syscall ?? info?.syscall].filter(Boolean).join(': ')
  return removePaths(error.message)
}

/** `23503 on public.orders, constraint orders_user_id_fkey` */
function describePostgresError({
  code,
  schema,
  table,
  column,
  dataType,
  constraint,
}: Facts): string {
  const relation = [schema, table, column].filter(Boolean).join('.')
  return [
    relation ? `${code} on ${relation}` : code,
    ...(dataType ? [`type ${dataType}`] : []),
    ...(constraint ? [`constraint ${constraint}`] : []),
  ].join(', ')
}

/** Node quotes a path in the message of an invalid argument, and libraries do so in their own messages. */
function removePaths(message: string): string {
  return message
    .replaceAll(/(['"`])(?=[^'"`]*[/\\])(?!\w+:\/\/)[^'"`]*\1/g, '$1…$1')
    .replaceAll(/(?<![\w:/.}])\.{0,2}\/[^\s'"`,;:)]+/g, '…')
}

/** Keeps only the stack frames: a line of a multi-line message could look like one. */
function readStackFrames({ stack = '', message }: Error): string {
  const place = stack.indexOf(message)
  const lines = place < 0 ? stack : stack.slice(place + message.length)
  return lines.match(/^\s+at .*$/gm)?.join('\n') ?? ''
}
