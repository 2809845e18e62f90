import { stopServers } from './cluster.ts'

export default stopServers
