interface ErrorLine {
  type: string
  message: string
  stack: string
  [fact: string]: unknown
}

/** What an operator needs to know of an error, without a value of a row, a body or a path, which may hold a person's id. */
export function serializeError(error: unknown): ErrorLine {
  if (!(error instanceof Error)) return { type: typeof error, message: '', stack: '' }
  const { code, schema, table, column, constraint } = error as Error & Facts
  return {
    type: error.name,
    message: messageOf(error),
    ...{ code, schema, table, column, constraint },
    stack: stackOf(error),
    ...(error instanceof AggregateError && { errors: error.errors.map(serializeError) }),
    ...(error.cause !== undefined && { cause: serializeError(error.cause) }),
  }
}

/** Of PostgreSQL's fields those that name parts of the schema, and of Node's those that name the call that failed. */
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

/** Where the error's own message quotes data, one is made of the facts. */
function messageOf(error: Error & Facts): string {
  if (error.severity !== undefined) return ofPostgres(error)
  // The JSON parser quotes what it could not read.
  if (error instanceof SyntaxError) return ''
  const { path, dest, syscall, code, info } = error
  const quotesPath = [path, dest, info?.path, info?.dest].some((one) => one !== undefined)
  if (quotesPath) return [code ?? info?.code, syscall ?? info?.syscall].filter(Boolean).join(': ')
  return withoutPaths(error.message)
}

/** `23503 on public.orders, constraint orders_user_id_fkey` */
function ofPostgres({ code, schema, table, column, dataType, constraint }: Facts): string {
  const relation = [schema, table, column].filter(Boolean).join('.')
  return [
    relation ? `${code} on ${relation}` : code,
    ...(dataType ? [`type ${dataType}`] : []),
    ...(constraint ? [`constraint ${constraint}`] : []),
  ].join(', ')
}

/** Node quotes a path in what it says of a wrong argument too, and libraries do in messages of their own. */
function withoutPaths(message: string): string {
  return message
    .replaceAll(/(['"`])(?=[^'"`]*[/\\])(?!\w+:\/\/)[^'"`]*\1/g, '$1…$1')
    .replaceAll(/(?<![\w:/.}])\.{0,2}\/[^\s'"`,;:)]+/g, '…')
}

/** Its lines alone: a message of several lines could look like one of them. */
function stackOf({ stack = '', message }: Error): string {
  const place = stack.indexOf(message)
  const lines = place < 0 ? stack : stack.slice(place + message.length)
  return lines.match(/^\s+at .*$/gm)?.join('\n') ?? ''
}
