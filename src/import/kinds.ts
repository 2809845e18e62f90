/** Why a user is not imported, and what helps. */
export const kinds = {
  phone_ambiguous:
    'without plus and country code it may be of the mainland (+86) or of North America (+1): --bare-numbers says which',
  phone_unusable: 'this is no phone number: mend it at the source, with plus and country code',
  phone_unconfirmed:
    'the source never saw it confirmed, so it may be anybody’s: --unconfirmed-phones says what becomes of it',
  phone_taken: 'another living user here has this phone: auth.admin_find_user tells who',
  phone_twice: 'several users of the source have this phone: leave it with one of them',
  openid_taken:
    'this openid signs in another user here, who may be the same person: auth.admin_find_user tells who',
  openid_twice: 'several users of the source have this openid: leave it with one of them',
  openids_of_one_app: 'a user has one openid of an app: leave one of these at the source',
  unionid_taken: 'another living user here has this unionid, and may be the same person',
  unionid_twice: 'several users of the source have this unionid: leave it with one of them',
  unionids_of_one_user: 'his identities have different unionids: write the right one into wechat_unionid',
  app_unknown: 'nothing says of which mini program this openid is: --app does',
  id_taken: 'a user with this id is here and was not imported: give one of them another id',
  id_twice: 'this id stands several times in the source',
  changed_since_import:
    'he was imported before and has got another phone, openid or unionid at the source since: nothing here is overwritten; make the change here',
  ill_formed: 'the value of this column cannot be read: mend it at the source',
  overtaken: 'somebody changed the same at this very moment: run the import again',
} as const satisfies Record<string, string>

export type Kind = keyof typeof kinds
