import { isJustified } from './check-columns.ts'
import type { DataMap } from './data-map.ts'
import { type MapProblem, mapProblem } from './map-problem.ts'

/** Checks that each folder belongs to one person, so that removing it removes no other person's files. */
export function checkFolders({ folders = {} }: DataMap): MapProblem[] {
  const names = Object.keys(folders)
  return Object.entries(folders).flatMap(([folder, entry]) => {
    const parts = folder.split('/')
    const problems: MapProblem[] = []
    if (parts.filter((part) => part === '{person}').length !== 1 || folder.split('{').length !== 2)
      problems.push(
        mapProblem(
          folder,
          'it is not the folder of one person',
          'make `{person}` one part of its name',
        ),
      )
    if (parts.some((part) => part === '' || part === '.' || part === '..'))
      problems.push(
        mapProblem(
          folder,
          'it can lead out of the uploads folder',
          'name it relative to the uploads folder',
        ),
      )
    if (names.some((other) => other !== folder && folder.startsWith(`${other}/`)))
      problems.push(
        mapProblem(folder, 'it is inside another folder of the map', 'name only the outer folder'),
      )
    const { retain, export: out, reason } = entry
    if ((retain && !isJustified(retain)) || (out === false && !reason?.trim()))
      problems.push(
        mapProblem(
          folder,
          'it is kept, or left out, without a reason',
          'say on what basis and for how long',
        ),
      )
    return problems
  })
}
