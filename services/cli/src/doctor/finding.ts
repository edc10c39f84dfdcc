export interface Finding {
  /** Something `wrong` makes the exit code 1; a `warning` does not. */
  grade: 'ok' | 'warning' | 'wrong'
  text: string
  /** Something to do: a command or a setting. */
  remedy?: string
}

export const ok = (text: string): Finding => ({ grade: 'ok', text })

export const warning = (text: string, remedy: string): Finding => {
  return { grade: 'warning', text, remedy }
}

export const wrong = (text: string, remedy: string): Finding => {
  return { grade: 'wrong', text, remedy }
}

/** All that is shown of an error: the messages of servers quote names, addresses and what they were given. */
export function why(error: unknown): string {
  const { code, name } = error as NodeJS.ErrnoException
  const word = typeof code === 'string' ? code : name
  return word === 'Error' ? '' : ` (${word})`
}
