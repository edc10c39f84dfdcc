/** A value of the environment that cannot be used. The message is the one line that an operator reads. */
export class ConfigError extends Error {
  override name = 'ConfigError'

  /** `got` says what was found, never a secret; `takes` what would be right. */
  constructor(variable: string, got: string, takes: string) {
    super(`${variable} ${got}; it takes ${takes}`)
  }
}

/** A value that is no secret, on one line and not too long. */
export function quoted(value: string): string {
  return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value)
}
