export { stageMail } from './outbox.ts'
