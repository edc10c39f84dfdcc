import type { MailName } from '@lethe/db'
import { deletionToken, exportToken, type Keys, type MailFacts, tokenHash } from '@lethe/lifecycle'
import {
  accountErased,
  deletionCancelled,
  deletionReminder,
  deletionScheduled,
  exportReady,
  type Mail,
} from '@lethe/mails'

interface MailContext {
  keys: Keys
  publicUrl: string
}

/** The mail with current facts; undefined if its news is outdated. */
export function writeMail(facts: MailFacts, writer: MailContext): Mail | undefined {
  return writers[facts.mail](facts, writer)
}

const writers: Record<MailName, (facts: MailFacts, writer: MailContext) => Mail | undefined> = {
  'deletion-scheduled'(facts, { keys, publicUrl }) {
    const { eraseAfter, requestedBy } = facts
    if (facts.deletionStatus !== 'pending' || !eraseAfter) return undefined
    return deletionScheduled({
      publicUrl,
      token: cancelToken(keys, facts),
      eraseAfter,
      requestedBy,
    })
  },
  'deletion-reminder'(facts, { keys, publicUrl }) {
    const { eraseAfter } = facts
    if (facts.deletionStatus !== 'pending' || !eraseAfter) return undefined
    return deletionReminder({ publicUrl, token: cancelToken(keys, facts), eraseAfter })
  },
  'export-ready'(facts, { keys, publicUrl }) {
    const { exportStatus, exportExpiresAt: expiresAt, exportBytes: bytes } = facts
    if (exportStatus !== 'ready' || !expiresAt || !bytes) return undefined
    const token = makeVerifiedToken(exportToken, keys, facts.exportNonce, facts.exportHash)
    return exportReady({ publicUrl, token, expiresAt, bytes, isOwn: facts.deletionId === null })
  },
  'deletion-cancelled': (_facts, { publicUrl }) => deletionCancelled({ publicUrl }),
  'account-erased'({ erasedCounts: counts, exportStatus, exportExpiresAt }) {
    if (!counts) return undefined
    const open = exportStatus === 'ready' && exportExpiresAt
    return accountErased({
      counts,
      ...(open && { exportExpiresAt }),
      ...(exportStatus === 'failed' && { exportFailed: true }),
    })
  },
}

function cancelToken(keys: Keys, { deletionNonce, deletionHash }: MailFacts): string {
  return makeVerifiedToken(deletionToken, keys, deletionNonce, deletionHash)
}

/** Throws if the link would not open: another SECRET_KEY or a damaged row yields another token. */
function makeVerifiedToken(
  make: (keys: Keys, nonce: Buffer) => string,
  keys: Keys,
  nonce: Buffer | null,
  hash: Buffer | null,
): string {
  const token = nonce && make(keys, nonce)
  if (!token || !hash || !tokenHash(token).equals(hash)) throw new TokenMismatchError()
  return token
}

class TokenMismatchError extends Error {
  override name = 'TokenMismatchError'
  readonly code = 'ETOKEN'
}
