/** A line of text that people read, and where it stands. */
export interface ProseLine {
  line: number
  text: string
}

/** Comments and the titles of tests, without what stands in backticks. */
export function proseOfCode(source: string): ProseLine[] {
  let isInBlock = false
  return source.split('\n').flatMap((text, index) => {
    const line = index + 1
    const title = /^\s*(?:t\.test\(\s*)?(['"`])(.*)\1,?\s*(?:async|with|\{|$)/.exec(text)?.[2]
    if (isInBlock || /^\s*\/\*/.test(text)) {
      isInBlock = !text.includes('*/')
      return [{ line, text: withoutCode(text) }]
    }
    const comment = /(?:^|\s)(?:\/\/|--)\s(.*)$/.exec(text)?.[1]
    if (comment !== undefined) return [{ line, text: withoutCode(comment) }]
    return title !== undefined && /^\s*t\.test\(/.test(text) ? [{ line, text: title }] : []
  })
}

/** Markdown without its code blocks and inline code. */
export function proseOfMarkdown(source: string): ProseLine[] {
  let isInBlock = false
  return source.split('\n').flatMap((text, index) => {
    if (/^\s*```/.test(text)) {
      isInBlock = !isInBlock
      return []
    }
    return isInBlock ? [] : [{ line: index + 1, text: withoutCode(text) }]
  })
}

const withoutCode = (text: string) => text.replaceAll(/`[^`]*`/g, '')
