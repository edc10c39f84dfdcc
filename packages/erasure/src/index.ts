export { dataMap } from './data-map.ts'
export { countFiles, filesFolder, removeFiles } from './files.ts'
export { countRows, eraseRows } from './rows.ts'
