/** Why no plan can be made: which entry, what is wrong with it, and what to do. */
export interface MapProblem {
  /** Of the map, or where one is missing. */
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
