import t from 'tap'
import { problem, toProblem } from '../src/problems.ts'
import { testApp } from './test-app.ts'

t.test('a plugin can answer in its own error shape and read any body', async (t) => {
  const { app } = await testApp(t, {
    routes: async (app) => {
      app.setErrorHandler((error, _request, reply) => {
        const { body, headers } = toProblem(error)
        return reply.code(body.status).headers(headers).send({ error: body.title })
      })
      app.removeAllContentTypeParsers()
      app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, _body, done) => done(null))
      app.addHook('onRequest', async ({ headers }) => {
        delete headers['content-type']
      })
      app.delete('/own/:id', async () => {
        throw problem('wrong-password')
      })
      app.delete('/own/none', async (_request, reply) => reply.code(204).send())
      app.delete('/own/broken', async () => {
        throw new Error('hunter2')
      })
    },
  })
  for (const [headers, payload] of [
    [{ 'content-type': 'application/json' }, '42'],
    [{ 'content-type': 'application/json' }, ''],
    [{ 'content-type': 'application/json' }, '{'],
    [{ 'content-type': 'text/plain' }, 'x'],
    [{ 'content-type': 'none' }, 'x'],
    [{}, 'x'],
  ] as const) {
    const ask = (url: string) =>
      app.inject({ method: 'DELETE', url, headers: { ...headers }, payload: Buffer.from(payload) })
    t.strictSame((await ask('/own/1')).json(), { error: 'The password is wrong' })
    t.equal((await ask('/own/none')).statusCode, 204)
    t.strictSame((await ask('/own/broken')).json(), { error: 'Something went wrong on our side' })
  }
  const options = { method: 'DELETE', url: '/own/1' } as const
  const large = await app.inject({ ...options, payload: 'x'.repeat(100_000) })
  t.match([large.statusCode, large.json()], [413, { error: 'The body is too large' }])
  const foreign = await app.inject({ ...options, headers: { 'sec-fetch-site': 'cross-site' } })
  t.match([foreign.statusCode, foreign.json()], [403, { error: /another site/ }])
})
