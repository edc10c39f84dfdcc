export { dataMap } from './data-map.ts'
export { countFiles, type FileCounts, filesFolder, removeFiles } from './files.ts'
export { countRows, eraseRows } from './rows.ts'
