export { eraseChunk } from './execute/chunks.ts'
export { countRows } from './execute/count-rows.ts'
export { eraseRows } from './execute/erase-rows.ts'
export { countFiles, exportedFolders, personFolder, removeFiles } from './execute/files.ts'
export {
  type FileFinding,
  findFiles,
  type NamedFile,
  readAllNamedFiles,
  readNamedFiles,
} from './execute/named-files.ts'
export { TooManyRowsError } from './execute/row-counts.ts'
export { RowsKeptError } from './execute/rows-kept.ts'
export type { DataMap } from './map/data-map.ts'
export { formatMapProblem, type MapProblem } from './map/map-problem.ts'
export type { Column } from './map/table.ts'
export { type ExportedTable, exportedTables } from './plan/exported-tables.ts'
export { personRows } from './plan/person-rows.ts'
export { IncompleteDataMapError, makePlan, type Plan } from './plan/plan.ts'
export { type PlanLine, planLines, planPicture } from './render/draw-plan.ts'
