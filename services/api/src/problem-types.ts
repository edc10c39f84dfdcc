import type { AccountErrorCode } from '@lethe/accounts'
import type { LifecycleErrorCode } from '@lethe/lifecycle'

export interface ProblemType {
  status: number
  title: string
  /** One sentence on what to do; the page `/problems/<code>` shows it. */
  help: string
  /** Headers that always go with it. */
  headers?: Record<string, string>
}

const bearer = { 'www-authenticate': 'Bearer' }

/** What the frame refuses, whatever the route. */
const frameProblems = {
  'bad-request': {
    status: 400,
    title: 'The request is not valid HTTP',
    help: 'Check what builds the request: its first line, a header or the length of its body is wrong.',
  },
  'invalid-request': {
    status: 400,
    title: 'The request is not valid',
    help: 'Correct what `errors` points to, and send the request again.',
  },
  'malformed-json': {
    status: 400,
    title: 'The body is not valid JSON',
    help: 'Send one JSON value, in UTF-8 and without a member called `__proto__`.',
  },
  'cross-site': {
    status: 403,
    title: 'The request comes from another site',
    help: 'Send it from a page of this service, or with an access token in the Authorization header.',
  },
  'not-found': {
    status: 404,
    title: 'There is nothing at this address',
    help: 'Compare the address with those listed at /docs.',
  },
  'method-not-allowed': {
    status: 405,
    title: 'This address does not take that method',
    help: 'Use one of the methods that the Allow header lists.',
  },
  'request-timeout': {
    status: 408,
    title: 'The request took too long to arrive',
    help: 'Send it again, over a faster connection if you can.',
  },
  'payload-too-large': {
    status: 413,
    title: 'The body is too large',
    help: 'Send at most 64 KiB, or an image of at most 2 MiB where an image is asked for.',
  },
  'uri-too-long': {
    status: 414,
    title: 'The address is too long',
    help: 'Shorten the path of the request.',
  },
  'unsupported-media-type': {
    status: 415,
    title: 'The body has a type that is not taken here',
    help: 'Say in the Content-Type header what the body is: application/json nearly everywhere.',
  },
  'range-not-satisfiable': {
    status: 416,
    title: 'The archive has no such part',
    help: 'Ask for bytes below the length that the Content-Range header tells.',
  },
  'expectation-failed': {
    status: 417,
    title: 'The expectation cannot be met',
    help: 'Leave the Expect header out, or set it to 100-continue.',
  },
  'too-many-requests': {
    status: 429,
    title: 'Too many requests',
    help: 'Wait as many seconds as the Retry-After header says, and try again.',
  },
  'headers-too-large': {
    status: 431,
    title: 'The headers are too large',
    help: 'Send less than 16 KiB of them; deleting the cookies of this site often helps.',
  },
  'export-damaged': {
    status: 500,
    title: 'The export is damaged',
    help: 'What is stored is not what was made, so nothing of it is given out: tell whoever runs this service.',
  },
  internal: {
    status: 500,
    title: 'Something went wrong on our side',
    help: 'Try again later; if it stays so, tell whoever runs this service the X-Request-Id of the answer.',
  },
  unavailable: {
    status: 503,
    title: 'The service cannot work at the moment',
    help: 'Nothing was changed; try again after as many seconds as the Retry-After header says.',
    headers: { 'retry-after': '5' },
  },
} satisfies Record<string, ProblemType>

/** What a rule of the account's life refuses: one for each code, or this does not compile. */
const accountProblems = {
  unauthenticated: {
    status: 401,
    title: 'You are not logged in',
    help: 'Log in, or send an access token that is still valid.',
    headers: bearer,
  },
  'wrong-credentials': {
    status: 401,
    title: 'Address and password do not belong together',
    help: 'Check both, and try again.',
    headers: bearer,
  },
  'account-pending-deletion': {
    status: 403,
    title: 'This account is waiting to be erased',
    help: 'To keep it, cancel the deletion before `eraseAfter` with the link in the mail.',
  },
  'not-authorized': {
    status: 403,
    title: 'You may not do this',
    help: 'Only the owner of an account or an administrator may.',
  },
  'reauthentication-required': {
    status: 403,
    title: 'You have to show your password for this',
    help: 'Send it with the request; without `eraseNow` a log-in of the last minutes will do as well.',
  },
  'wrong-password': {
    status: 403,
    title: 'The password is wrong',
    help: 'Check the password, and try again.',
  },
  'user-not-found': {
    status: 404,
    title: 'There is no such user for you',
    help: 'Check the id; accounts of others look as if they did not exist.',
  },
  'session-not-found': {
    status: 404,
    title: 'You have no such session',
    help: 'List your sessions to see which there are; this one may have ended.',
  },
  'saved-password-not-found': {
    status: 404,
    title: 'You have no such saved password',
    help: 'List your saved passwords to see which there are.',
  },
  'avatar-not-found': {
    status: 404,
    title: 'There is no avatar',
    help: 'Upload one first.',
  },
  'deletion-not-found': {
    status: 404,
    title: 'This link belongs to no deletion',
    help: 'Copy the whole link from the newest mail.',
  },
  'export-not-found': {
    status: 404,
    title: 'This link belongs to no export',
    help: 'Copy the whole link from the mail.',
  },
  'address-taken': {
    status: 409,
    title: 'This address cannot be used',
    help: 'Log in if the account is yours, or sign up with another address.',
  },
  'deletion-not-pending': {
    status: 409,
    title: 'There is no deletion that could still be cancelled',
    help: 'See `deletionStatus` for where it stands.',
  },
  'too-many-saved-passwords': {
    status: 409,
    title: 'No more passwords can be saved',
    help: 'An account holds two thousand at most; remove one that you no longer need.',
  },
  'export-not-ready': {
    status: 409,
    title: 'The export is not ready yet',
    help: 'Wait for the mail that says it is.',
  },
  'too-many-exports': {
    status: 429,
    title: 'Enough archives were asked for today',
    help: 'Fetch one of those that were made, or ask again after as many seconds as the Retry-After header says.',
  },
  'export-gone': {
    status: 410,
    title: 'The export is gone',
    help: 'It has expired, or the deletion was cancelled; nothing is left to fetch.',
  },
  busy: {
    status: 503,
    title: 'Too many people are logging in at the moment',
    help: 'Try again in a second.',
    headers: { 'retry-after': '1' },
  },
} satisfies Record<AccountErrorCode | LifecycleErrorCode, ProblemType>

export type ProblemCode = keyof typeof frameProblems | AccountErrorCode | LifecycleErrorCode

/** Every way in which this service says no. */
export const problemTypes: Record<ProblemCode, ProblemType> = {
  ...frameProblems,
  ...accountProblems,
}
