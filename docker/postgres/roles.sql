-- Run once by the image of PostgreSQL, as its superuser, when the data directory is empty: the two logins of the
-- service. `migrate` creates every other role, as auth_owner.
\getenv owner_password OWNER_PASSWORD
\getenv authenticator_password AUTHENTICATOR_PASSWORD

-- Owns the database and the schema; `migrate` and `worker` log in as it. It may create roles and is no superuser.
create role auth_owner login createrole password :'owner_password';
alter database :"DBNAME" owner to auth_owner;

-- The web service's login. It owns nothing and inherits nothing.
create role authenticator login noinherit password :'authenticator_password';
