export { credentials, type S3Server, startS3, withS3 } from './testing/start-s3.ts'
