-- The image of Postgres runs this once, with psql as its superuser, in the new database. Opsrun gets
-- four logins: one owns the database and may create roles, the others have what migrations grant.
-- Each password comes from the URL that the login's process reads.
\set ON_ERROR_STOP on
\set migrate `sed "s|^[^:]*://[^:]*:||; s|@.*||" "${SECRETS:-/run/secrets}/migrate_database_url"`
\set api `sed "s|^[^:]*://[^:]*:||; s|@.*||" "${SECRETS:-/run/secrets}/api_database_url"`
\set worker `sed "s|^[^:]*://[^:]*:||; s|@.*||" "${SECRETS:-/run/secrets}/worker_database_url"`
\set maintenance `sed "s|^[^:]*://[^:]*:||; s|@.*||" "${SECRETS:-/run/secrets}/maintenance_database_url"`
CREATE ROLE opsrun_owner LOGIN CREATEROLE PASSWORD :'migrate';
CREATE ROLE opsrun_api LOGIN PASSWORD :'api';
CREATE ROLE opsrun_worker LOGIN PASSWORD :'worker';
CREATE ROLE opsrun_maintenance LOGIN PASSWORD :'maintenance';
SELECT format('ALTER DATABASE %I OWNER TO opsrun_owner', current_database()) \gexec
