/** Why no plan can be made: which entry, what is wrong with it, and what to do. */
export interface Fault {
  /** Of the map, or where one is missing. */
  entry: string
  says: string
  remedy: string
}

export function faultLine({ entry, says, remedy }: Fault): string {
  return `${entry}: ${says}; ${remedy}`
}

export function fault(entry: string, says: string, remedy: string): Fault {
  return { entry, says, remedy }
}
