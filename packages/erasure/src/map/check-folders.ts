import type { DataMap } from './data-map.ts'
import { type Fault, fault } from './map-problem.ts'

/** A folder of the map is one person's: taken away for one of them, it takes nothing of anybody else's along. */
export function checkFolders({ folders = {} }: DataMap): Fault[] {
  const names = Object.keys(folders)
  return Object.entries(folders).flatMap(([folder, entry]) => {
    const parts = folder.split('/')
    const faults: Fault[] = []
    if (parts.filter((part) => part === '{person}').length !== 1 || folder.split('{').length !== 2)
      faults.push(
        fault(folder, 'it is not the folder of one person', 'make `{person}` one part of its name'),
      )
    if (parts.some((part) => part === '' || part === '.' || part === '..'))
      faults.push(fault(folder, 'it may lead elsewhere', 'name it from the folder of uploads on'))
    if (names.some((other) => other !== folder && folder.startsWith(`${other}/`)))
      faults.push(fault(folder, 'it lies in another one of the map', 'name the outer one alone'))
    const { erase, export: out } = entry
    if (
      (erase && !(erase.keep.trim() && erase.until.trim())) ||
      (typeof out === 'object' && !out.not.trim())
    )
      faults.push(
        fault(
          folder,
          'it is kept, or left out, without a reason',
          'say on what basis and for how long',
        ),
      )
    return faults
  })
}
