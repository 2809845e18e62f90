/** What jest's global set-up leaves to its tear-down. */
export const cluster: { stop: () => Promise<void> } = { stop: async () => {} }
