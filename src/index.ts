export { createApp } from './app.ts'
export { type Config, ConfigError, parseConfig, parseWorkerConfig } from './config.ts'
export { MigrationError, migrate } from './db/migrate.ts'
export { AppError, catalogue, type ErrorCode } from './errors.ts'
export { wechatPreset } from './graphql/preset.ts'
export type { Rule } from './limits/rules.ts'
export { createLog } from './log.ts'
export { metricsRouter } from './metrics/routes.ts'
export { pushRouter } from './push/routes.ts'
export { authRouter } from './rest/routes.ts'
export { asCaller, type Query } from './rpc/as_caller.ts'
export type { InputSchema, OwnRpc } from './rpc/own_rpc.ts'
export { type Call, requireUser } from './rpc/rpc.ts'
export { createServices, type Services } from './services.ts'
export {
  createSimulator,
  type Simulator,
  type SimulatorOptions,
  simulatorApp,
} from './simulator/index.ts'
export type { AuthEvent, EventTask } from './tasks/auth_event.ts'
export type { WorkerTasks } from './tasks/tasks.ts'
export { startWorker, type Worker, type WorkerOptions } from './tasks/worker.ts'
