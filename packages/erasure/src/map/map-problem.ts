/** A reason why no plan can be made: the entry, what is wrong with it, and how to fix it. */
export interface MapProblem {
  /** The entry of the map, or where one is missing. */
  entry: string
  says: string
  remedy: string
}

export function formatMapProblem({ entry, says, remedy }: MapProblem): string {
  return `${entry}: ${says}; ${remedy}`
}

export function mapProblem(entry: string, says: string, remedy: string): MapProblem {
  return { entry, says, remedy }
}
