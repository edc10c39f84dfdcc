import { planErasure } from '@lethe/accounts'
import { formatMapProblem, IncompleteDataMapError, planLines, planPicture } from '@lethe/erasure'
import type { Command } from '../command.ts'
import { table } from '../table.ts'

/** Shows what an erasure does, step by step, or what the data map lacks: without it nothing is erased. */
export const showPlan: Command = async (args, { db, print }) => {
  if (args.some((argument) => argument !== '--json')) {
    print('Usage: pnpm lethe plan [--json]')
    return 2
  }
  const json = args.includes('--json')
  try {
    const plan = await planErasure(db)
    const lines = planLines(plan)
    if (json) print(JSON.stringify({ steps: lines, faults: [] }, null, 2))
    else {
      print(
        table(
          lines.map(({ columns, because, ...line }) => ({
            ...line,
            by: describeLinks(columns, because),
          })),
        ),
      )
      print(`\n\`\`\`mermaid\n${planPicture(plan)}\n\`\`\``)
    }
    return 0
  } catch (error) {
    if (!(error instanceof IncompleteDataMapError)) throw error
    if (json) print(JSON.stringify({ steps: [], faults: error.problems }, null, 2))
    else for (const fault of error.problems) print(formatMapProblem(fault))
    return 1
  }
}

function describeLinks(columns: string[], because: string[]): string {
  if (columns.length === 0) return 'the person themselves'
  return columns.map((column, index) => `${column} → ${because[index] ?? because[0]}`).join('; ')
}
