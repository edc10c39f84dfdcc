interface ErrorLine {
  type: string
  message: string
  stack: string
  [fact: string]: unknown
}

/** A stack without its message where the message quotes data: PostgreSQL's and the JSON parser's do. */
export function describeError(error: unknown): ErrorLine {
  if (!(error instanceof Error)) return { type: typeof error, message: '', stack: '' }
  const { code, constraint, table, severity } = error as Error & Record<string, unknown>
  const quotesData = severity !== undefined || error instanceof SyntaxError
  return {
    type: error.name,
    message: quotesData ? '' : error.message,
    code,
    constraint,
    table,
    stack: error.stack?.match(/^\s+at .*$/gm)?.join('\n') ?? '',
    ...(error.cause !== undefined && { cause: describeError(error.cause) }),
  }
}
