// Before: src/tasks/worker.ts. After: src/tasks/subscriber.ts, and the application's own tasks.
import type { JobHelpers, Task, TaskList } from 'graphile-worker'
import type { Logger } from '../log.ts'
import { type EventTask, masked, sendToTask } from './auth_event.ts'
import { cleanUpTask } from './clean_up.ts'
import type { Retention } from './retention.ts'
import { type Pace, type Send, subscriberTask } from './subscriber.ts'
import { wechatPushTask } from './wechat_push.ts'

/** The application's tasks, by their names: `auth_event` is told of events, the others do jobs of its own making. */
export interface WorkerTasks {
  auth_event?: EventTask
  // biome-ignore lint/suspicious/noExplicitAny: an application knows the payloads of its own jobs
  [identifier: string]: ((payload: any, helpers: JobHelpers) => unknown) | undefined
}

export interface TaskOptions {
  tasks: WorkerTasks
  log: Logger
  pace: Pace
  retention: Retention
  stopping: AbortSignal
  /** Posts to webhooks. */
  send: Send
  /** Keeps the access tokens; undefined: this worker knows no app. */
  accessTokens: Task | undefined
}

/** What this worker can do. It is given no job of a task that it does not have, as `auth_event` where nobody defined it. */
export function taskList({
  tasks: { auth_event, ...others },
  send,
  retention,
  accessTokens,
  ...options
}: TaskOptions): TaskList {
  const own: TaskList = {
    clean_up: cleanUpTask(retention),
    wechat_push: wechatPushTask(options.log),
    ...(accessTokens && { access_tokens: accessTokens }),
    deliver: subscriberTask({ ...options, send }),
    ...(auth_event && {
      auth_event: subscriberTask({ ...options, send: sendToTask(auth_event, options.log) }),
    }),
  }
  const taken = Object.keys(others).find(name => name in own)
  if (taken !== undefined) throw new Error(`The task ${taken} is the worker's own: yours needs another name`)
  const theirs = Object.entries(others).flatMap(([name, task]) =>
    task ? [[name, masked(task as Task)]] : [],
  )
  return { ...own, ...Object.fromEntries(theirs) }
}
