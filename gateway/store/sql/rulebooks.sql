-- Sets of rulebooks and which is in force.

-- :name active
SELECT digest FROM rulebook_activation ORDER BY activation_id DESC LIMIT 1;

-- :name any_active
SELECT EXISTS (SELECT FROM rulebook_activation);

-- :name read
SELECT files FROM rulebook_set WHERE digest = :digest::text;

-- :name keep
INSERT INTO rulebook_set (digest, files) VALUES (:digest::text, :files::bytea) ON CONFLICT (digest) DO NOTHING;

-- :name activate
INSERT INTO rulebook_activation (digest, activated_by) VALUES (:digest::text, :by::text);

-- :name history
SELECT digest, activated_at, activated_by FROM rulebook_activation ORDER BY activation_id DESC LIMIT 100;
