import { verifyAuditChain } from '@lethe/lifecycle'
import type { Command } from '../command.ts'

export const verifyAudit: Command = async (_args, { db, print }) => {
  const { sealed, unsealed, head, brokenAt } = await verifyAuditChain(db)
  if (brokenAt !== undefined) {
    print(`The chain does not hold at position ${brokenAt}: the ${sealed} events before it do.`)
    return 1
  }
  print(`The chain holds: ${sealed} events, ${unsealed} more wait for the sealer.`)
  print(`Its newest link is ${head}; noted elsewhere, it shows later whether the end was cut off.`)
  return 0
}
