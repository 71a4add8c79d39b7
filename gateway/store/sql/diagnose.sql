-- What a doctor asks a database.

-- :name server_version
SELECT current_setting('server_version');

-- :name schema_level
SELECT max(number) FROM migration;

-- :name last_partition
-- Named after its half year: operation_2027h1.
SELECT max(c.relname) FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
 WHERE i.inhparent = to_regclass('operation');

-- :name clock
SELECT clock_timestamp();
