const WARNING = 40

interface Entry {
  level: number
  msg?: string
  err?: { message?: string }
}

/**
 * Formats a log line of a service for a person; undefined if it is not important. A line that is not JSON comes from
 * Node.js itself and is always shown.
 */
export function formatLogLine(service: string, line: string, verbose: boolean): string | undefined {
  const entry = parse(line)
  if (entry === undefined) return `${service}: ${line}`
  const { level, msg, err } = entry
  if (verbose) return `${service}: ${line}`
  if (level < WARNING) return undefined
  const text = [msg, err?.message].filter(Boolean).join(': ')
  return `${service}: ${text || line}`
}

function parse(line: string): Entry | undefined {
  try {
    const entry: unknown = JSON.parse(line)
    return isEntry(entry) ? entry : undefined
  } catch {
    return undefined
  }
}

function isEntry(value: unknown): value is Entry {
  return typeof value === 'object' && value !== null && 'level' in value
}
