// What is wrong with a login of the web service, for src/start.ts, which refuses it, and src/doctor/web_login.ts.

export const TOO_POWERFUL = {
  text:
    'DATABASE_URL logs in as a superuser, with BYPASSRLS, or as a role that inherits service_role or the owner of the ' +
    'schema: row-level security would not hold',
  help: 'Log in as authenticator (noinherit), or as a member of it',
}
export const NO_MEMBER = {
  text: 'DATABASE_URL logs in as a role that neither is authenticator nor inherits from it',
  help: 'Log in as authenticator, or as a role that inherits (not noinherit) after "grant authenticator to …"',
}
export const inWords = ({ text, help }: typeof NO_MEMBER) => `${text}. ${help}`
