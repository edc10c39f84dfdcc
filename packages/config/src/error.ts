/** An environment variable has an unusable value. The message is the one line that the operator reads. */
export class ConfigError extends Error {
  override name = 'ConfigError'

  /** `got` describes the value without revealing a secret; `takes` describes valid values. */
  constructor(variable: string, got: string, takes: string) {
    super(`${variable} ${got}; it takes ${takes}`)
  }
}

/** Formats a value that is not secret: on one line, shortened. */
export function quoted(value: string): string {
  return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value)
}
