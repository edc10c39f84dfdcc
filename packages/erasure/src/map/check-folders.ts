import type { DataMap } from './data-map.ts'
import { type MapProblem, mapProblem } from './map-problem.ts'

/** A folder of the map is one person's: taken away for one of them, it takes nothing of anybody else's along. */
export function checkFolders({ folders = {} }: DataMap): MapProblem[] {
  const names = Object.keys(folders)
  return Object.entries(folders).flatMap(([folder, entry]) => {
    const parts = folder.split('/')
    const faults: MapProblem[] = []
    if (parts.filter((part) => part === '{person}').length !== 1 || folder.split('{').length !== 2)
      faults.push(
        mapProblem(
          folder,
          'it is not the folder of one person',
          'make `{person}` one part of its name',
        ),
      )
    if (parts.some((part) => part === '' || part === '.' || part === '..'))
      faults.push(
        mapProblem(folder, 'it may lead elsewhere', 'name it from the folder of uploads on'),
      )
    if (names.some((other) => other !== folder && folder.startsWith(`${other}/`)))
      faults.push(
        mapProblem(folder, 'it lies in another one of the map', 'name the outer one alone'),
      )
    const { erase, export: out } = entry
    if (
      (erase && !(erase.keep.trim() && erase.until.trim())) ||
      (typeof out === 'object' && !out.not.trim())
    )
      faults.push(
        mapProblem(
          folder,
          'it is kept, or left out, without a reason',
          'say on what basis and for how long',
        ),
      )
    return faults
  })
}
