export type { Column } from './catalogue.ts'
export { countRows } from './count-rows.ts'
export { TooManyRows } from './counted-rows.ts'
export type { DataMap } from './data-map.ts'
export { type PlanLine, planLines, planPicture } from './draw-plan.ts'
export { eraseRows } from './erase-rows.ts'
export { type ExportedTable, exportedTables } from './exported-tables.ts'
export { type Fault, faultLine } from './fault.ts'
export { countFiles, exportedFolders, personFolder, removeFiles } from './files.ts'
export {
  type FileFinding,
  findFiles,
  type NamedFile,
  readAllNamedFiles,
  readNamedFiles,
} from './named-files.ts'
export { personRows } from './person-rows.ts'
export { makePlan, NoPlan, type Plan } from './plan.ts'
export { erasePortion } from './portions.ts'
export { RowsKeptError } from './rows-kept.ts'
