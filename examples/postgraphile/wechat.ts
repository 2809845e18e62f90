import { createLog, createServices, parseConfig } from 'postgraphile-wechat'
import { shareOrder } from './rpc/share_order.ts'

const config = parseConfig(process.env)

export const services = await createServices({
  config,
  log: createLog(config.logLevel),
  rpcs: [shareOrder],
})
