import path from 'node:path'
import { exportDir, optional } from '@lethe/config'

/** Reads EXPORT_DIR and UPLOAD_DIR as the services do. */
export function readFolders(env: NodeJS.ProcessEnv): { exportDir: string; uploadDir: string } {
  return {
    exportDir: exportDir(env),
    uploadDir: path.resolve(optional(env, 'UPLOAD_DIR') ?? '.data/uploads'),
  }
}
