-- Settings that every gateway must agree on.

-- :name keep_key_check
-- The first start writes down which master key this database is sealed with.
INSERT INTO setting (name, value) VALUES ('master_key_check', :check_value::text) ON CONFLICT (name) DO NOTHING;

-- :name key_check
SELECT value FROM setting WHERE name = 'master_key_check';
