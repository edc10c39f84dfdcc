export { countFiles, filesFolder, removeFiles } from './files.ts'
export { countRows, eraseRows } from './rows.ts'
