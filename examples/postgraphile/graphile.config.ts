import 'postgraphile'
import { makePgService } from 'postgraphile/adaptors/pg'
import { PostGraphileAmberPreset } from 'postgraphile/presets/amber'
import { wechatPreset } from 'postgraphile-wechat'
import { services } from './wechat.ts'

const preset: GraphileConfig.Preset = {
  extends: [PostGraphileAmberPreset, wechatPreset(services)],
  pgServices: [makePgService({ connectionString: process.env.DATABASE_URL, schemas: ['public'] })],
}

export default preset
