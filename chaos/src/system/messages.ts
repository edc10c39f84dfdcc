export type Protocol = 'postgres' | 'redis' | 'smtp'

/** Names what a client says, so that the same thing said again has the same name. One reader for each connection. */
export type ReadMessage = (chunk: Buffer) => string

export function messageReader(protocol: Protocol): ReadMessage {
  return { postgres: postgresReader, redis: redisReader, smtp: smtpReader }[protocol]()
}

/** The statement; BEGIN and COMMIT say nothing alone and take the one before them along. */
function postgresReader(): ReadMessage {
  let last = 'connect'
  return (chunk) => {
    const said = statementIn(chunk)
    if (said === undefined) return last === 'connect' ? last : `more of ${last}`
    if (/^(begin|commit|rollback|start transaction)\b/i.test(said)) return `${said} after ${last}`
    last = said
    return said
  }
}

/** Parse ('P': name, NUL, text) and Query ('Q': text) carry SQL; a type byte and a length stand in front. */
function statementIn(chunk: Buffer): string | undefined {
  const type = chunk.length > 5 ? chunk.toString('latin1', 0, 1) : ''
  const text = chunk.toString('utf8', 5, 5_000)
  if (type === 'Q') return shorten(text.split('\0')[0] ?? '')
  if (type === 'P') return shorten(text.split('\0')[1] ?? '')
  return undefined
}

/** The command and its first key, or the script and what it works on. */
function redisReader(): ReadMessage {
  return (chunk) => {
    const parts = chunk.toString('latin1', 0, 2_000).split('\r\n')
    const [command = '', ...args] = parts.filter((part) => !/^[*$]-?\d+$/.test(part))
    const script = /^eval/i.test(command) ? `${args[0]?.slice(0, 8)} ${args[2] ?? ''}` : args[0]
    return shorten(`${command.toLowerCase()} ${script ?? ''}`)
  }
}

/**
 * The verbs, several of which may come at once (RFC 2920); what follows DATA is the message, up to the line with a single
 * dot, unless DATA was refused.
 */
function smtpReader(): ReadMessage {
  let message = false
  let end = ''
  return (chunk) => {
    const text = chunk.toString('latin1')
    if (message && !/^(RSET|QUIT)\r\n/i.test(text)) {
      end = (end + text).slice(-5)
      message = end !== '\r\n.\r\n'
      return 'the message'
    }
    const verbs = text
      .split('\r\n')
      .flatMap((line) => /^[a-z]+/i.exec(line)?.[0].toUpperCase() ?? [])
    message = verbs.at(-1) === 'DATA'
    end = ''
    return verbs.join(' ')
  }
}

function shorten(text: string): string {
  return text
    .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '*')
    .replace(/\d{4,}/g, '#')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, 160)
}
