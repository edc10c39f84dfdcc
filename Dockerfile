# One image for the API, the worker and the command line; TypeScript runs as it is, there is no build step.
FROM node:24-bookworm-slim
WORKDIR /lethe
RUN npm install --global pnpm@12 && mkdir /data && chown node:node /data
COPY --chown=node:node . .
# Without what only tests need. Optional ones stay: the binary of argon2 is one.
RUN pnpm install --frozen-lockfile --prod --filter @lethe/api... --filter @lethe/worker... --filter @lethe/cli...
USER node
ENV NODE_ENV=production EXPORT_DIR=/data/exports UPLOAD_DIR=/data/uploads
CMD ["node", "services/api/src/main.ts"]
