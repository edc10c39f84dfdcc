import type { Conversation } from './messages/conversation.ts'
import { httpConversation } from './messages/http.ts'
import { postgresConversation } from './messages/postgres.ts'
import { redisConversation } from './messages/redis.ts'
import { smtpConversation } from './messages/smtp.ts'

export type { Conversation, Message } from './messages/conversation.ts'

export type Protocol = 'postgres' | 'redis' | 'smtp' | 'http'

export function openConversation(protocol: Protocol): Conversation {
  return conversations[protocol]()
}

const conversations = {
  postgres: postgresConversation,
  redis: redisConversation,
  smtp: smtpConversation,
  http: httpConversation,
}
