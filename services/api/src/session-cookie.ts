import type { FastifyReply } from 'fastify'
import type { ApiConfig } from './config.ts'

export function setSessionCookie(reply: FastifyReply, config: ApiConfig, token: string): void {
  // An age, not a date: the clocks of browser, API and database need not agree.
  const maxAge = config.sessionTtl.seconds
  reply.setCookie(config.sessionCookieName, token, { ...attributes(config), maxAge })
}

export function clearSessionCookie(reply: FastifyReply, config: ApiConfig): void {
  reply.clearCookie(config.sessionCookieName, attributes(config))
}

function attributes({ secure }: ApiConfig) {
  return { httpOnly: true, sameSite: 'lax', path: '/', secure } as const
}
