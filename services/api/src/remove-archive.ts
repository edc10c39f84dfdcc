import type { Storage } from '@lethe/exports'
import type { FastifyBaseLogger } from 'fastify'

/** Of an archive that nobody can open any more. Should it fail, the worker removes it. */
export async function removeArchive(
  storage: Storage,
  exportId: string,
  fileName: string,
  log: FastifyBaseLogger,
): Promise<void> {
  await storage
    .remove([fileName])
    .catch((err: NodeJS.ErrnoException) =>
      log.warn({ exportId, code: err.code ?? err.name }, 'archive.left-for-the-worker'),
    )
}
