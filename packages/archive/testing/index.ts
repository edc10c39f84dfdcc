export { credentials, type S3Server, startS3, withS3 } from './start-s3.ts'
