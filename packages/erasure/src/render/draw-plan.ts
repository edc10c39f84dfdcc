import { type Link, linkName } from '../map/reachable-tables.ts'
import { type Plan, parentLinks, type Step } from '../plan/plan.ts'

/** A line of a plan, for text and JSON output. */
export interface PlanLine {
  step: number
  does: 'erase' | 'overwrite'
  table: string
  /** The overwritten columns, or the columns that reference erased rows. */
  columns: string[]
  /** The tables that these columns reference. */
  because: string[]
  /** The database's estimate of all rows of the table; null before the first ANALYZE. */
  about: number | null
}

/** The plan step by step, in the order of erasure. */
export function planLines(plan: Plan): PlanLine[] {
  return plan.steps.flatMap((step, index) => linesOf(plan, step, index + 1))
}

function linesOf(plan: Plan, step: Step, number: number): PlanLine[] {
  const about = (table: string) => plan.tables.get(table)?.about ?? null
  if (step.rule === 'anonymize') {
    const { table } = step.link
    const columns = step.set.map(([column]) => column)
    return [
      {
        step: number,
        does: 'overwrite',
        table,
        columns,
        because: [step.link.target],
        about: about(table),
      },
    ]
  }
  return step.tables.map((table) => {
    const links = plan.parents.get(table) ?? []
    return {
      step: number,
      does: 'erase',
      table,
      columns: links.map(({ columns }) => linkName(columns)),
      because: links.map(({ target }) => target),
      about: about(table),
    }
  })
}

/** The plan as a Mermaid diagram (https://mermaid.js.org), which most Markdown viewers show. */
export function planPicture(plan: Plan): string {
  const links = parentLinks(plan)
  const names = [...new Set([...plan.parents.keys(), ...links.map(({ table }) => table)])]
  const node = (table: string) => `t${names.indexOf(table)}`
  const arrow = ({ rule }: Link) => (rule === 'delete' ? '-->' : '-.->')
  return [
    'flowchart RL',
    ...names.map((table) => `  ${node(table)}["${label(table)}"]`),
    ...links.map(
      (link) =>
        `  ${node(link.table)} ${arrow(link)}|"${label(linkName(link.columns))}"| ${node(link.target)}`,
    ),
  ].join('\n')
}

/** Escapes quotes, which would end the label. */
const label = (name: string) => name.replaceAll('"', '#quot;')
