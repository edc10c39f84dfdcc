/** The connections that are observed: from the client to the API, and from the services to what they use. */
export const links = ['toApi', 'apiToDatabase', 'workerToDatabase', 'toRedis', 'toMail'] as const
export type LinkName = (typeof links)[number]
