import { cluster } from './cluster.ts'

export default () => cluster.stop()
