export interface Finding {
  /** A finding with `wrong` makes the exit code 1; a `warning` does not. */
  grade: 'ok' | 'warning' | 'wrong'
  text: string
  /** What to do about it: a command or a setting. */
  remedy?: string
}

export const ok = (text: string): Finding => ({ grade: 'ok', text })

export const warning = (text: string, remedy: string): Finding => {
  return { grade: 'warning', text, remedy }
}

export const wrong = (text: string, remedy: string): Finding => {
  return { grade: 'wrong', text, remedy }
}

/** The code or name of an error. Its message is not shown: servers quote names, addresses and their input in it. */
export function why(error: unknown): string {
  const { code, name } = error as NodeJS.ErrnoException
  const label = typeof code === 'string' ? code : name
  return label === 'Error' ? '' : ` (${label})`
}
