import { pgSmartTags } from 'postgraphile/utils'

/** Columns of auth.users that are nobody's business outside the database. */
const hiddenColumns = new Set(['phone_raw', 'phone_revision', 'banned_until', 'deleted_at', 'merged_into'])

const isOurs = (schema: string | undefined) => schema === 'auth' || schema === 'auth_private'
const isUsers = (pg: { schemaName: string; name: string } | undefined) =>
  pg?.schemaName === 'auth' && pg.name === 'users'

/** Of our own schemas GraphQL shows the type `User` and nothing else. */
const userTagsPlugin = (serviceName: string) =>
  pgSmartTags(
    [
      {
        serviceName,
        kind: 'class',
        match: pgClass => isOurs(pgClass.getNamespace()?.nspname) && pgClass.relname !== 'users',
        tags: { behavior: '-*' },
      },
      {
        serviceName,
        kind: 'procedure',
        // And the application's function of claims, which is called by our own SQL alone.
        match: pgProc =>
          isOurs(pgProc.getNamespace()?.nspname) ||
          (pgProc.getNamespace()?.nspname === 'public' && pgProc.proname === 'custom_access_token'),
        tags: { behavior: '-*' },
      },
      {
        serviceName,
        kind: 'class',
        match: pgClass => isOurs(pgClass.getNamespace()?.nspname) && pgClass.relname === 'users',
        tags: {
          name: 'users',
          behavior:
            '-query:resource:list -query:resource:connection -query:resource:single -resource:insert -resource:update -resource:delete -node -order -orderBy -filterBy',
        },
      },
      {
        serviceName,
        kind: 'attribute',
        match: attribute => {
          const pgClass = attribute.getClass()
          return isOurs(pgClass?.getNamespace()?.nspname) && hiddenColumns.has(attribute.attname)
        },
        tags: { behavior: '-*' },
      },
      {
        serviceName,
        kind: 'constraint',
        match: constraint => constraint.conname === 'users_merged_into_fkey',
        tags: { behavior: '-*' },
      },
    ],
    null,
    { name: 'WechatUserTagsPlugin', description: 'Hides all of the auth schema but what User shows' },
  )

/**
 * Makes `auth.users` the type `User`, also where the application's pgService names only its own schemas, so that the
 * application's tables relate to it. `User.id` is the uuid, and a `User` may come from an RPC's answer as well as from
 * a query.
 */
const userTypePlugin = (pgService: string): GraphileConfig.Plugin => ({
  name: 'WechatUserTypePlugin',
  version: '0.1.0',
  inflection: {
    replace: {
      _attributeName(previous, _options, details) {
        const pg = details.codec.extensions?.pg
        return isUsers(pg) && details.attributeName === 'id' ? 'id' : previous!(details)
      },
    },
  },
  gather: {
    hooks: {
      pgIntrospection_introspection(info, { serviceName }) {
        if (serviceName !== pgService) return
        const service = info.resolvedPreset.pgServices?.find(({ name }) => name === serviceName)
        const schemas = service?.schemas ?? ['public']
        if (service && !schemas.includes('auth')) service.schemas = [...schemas, 'auth']
      },
    },
  },
  schema: {
    hooks: {
      GraphQLObjectType(config, _build, { scope: { pgCodec } }) {
        // The generated assertion wants a row that PostGraphile itself selects; ours come from the RPC's own statement.
        if (isUsers(pgCodec?.extensions?.pg)) config.assertStep = () => {}
        return config
      },
    },
  },
})

export const userPlugins = (pgService: string) => [userTagsPlugin(pgService), userTypePlugin(pgService)]
