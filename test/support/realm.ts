import { types } from 'node:util'

// jest runs a test file in a realm of its own, where the errors of Node's own modules (a refused connection) are no
// `instanceof Error`. In the service they are.
Object.defineProperty(Error, Symbol.hasInstance, {
  value(this: unknown, value: unknown) {
    return this === Error
      ? types.isNativeError(value)
      : Function.prototype[Symbol.hasInstance].call(this, value)
  },
})
