-- Who and what is known: cards, residents, clinics, terminals, each with its account.

-- :name account_of_card
SELECT account_id, subject FROM card JOIN account USING (account_id) WHERE card_key = :card_key::bytea;

-- :name accounts_of_cards
SELECT card_key, account_id, subject FROM card JOIN account USING (account_id) WHERE card_key = ANY (:card_keys::bytea[]);

-- :name known_cards
-- A page of the registered cards, in the order of their keys.
SELECT card_key, account_id FROM card JOIN account USING (account_id)
 WHERE card_key > :after::bytea AND subject = 'resident' ORDER BY card_key LIMIT :most::int;

-- :name open_stub
-- An unknown card gets an account, so that the no it is given is kept like any answer. Two at once get the same one.
SELECT open_stub_v1(:card_key::bytea, :kind::text, :sealed::bytea);

-- :name place_of_operation
SELECT account_id, clinic FROM operation WHERE operation_id = :operation_id::uuid;

-- :name account_of_identity
SELECT account_id FROM resident WHERE identity_key = :identity_key::bytea;

-- :name account_of_clinic
SELECT account_id FROM clinic WHERE clinic = :clinic::text;

-- :name account_of_terminal
SELECT account_id FROM terminal WHERE terminal = :terminal::text;

-- :name open_account
INSERT INTO account (account_id, subject) VALUES (new_account_id(), :subject::text) RETURNING account_id;

-- :name add_resident
INSERT INTO resident (account_id, identity_key, sealed, town)
VALUES (:account_id::bigint, :identity_key::bytea, :sealed::bytea, :town::text);

-- :name resident
SELECT sealed, town FROM resident WHERE account_id = :account_id::bigint;

-- :name stub_becomes_resident
UPDATE account SET subject = 'resident' WHERE account_id = :account_id::bigint AND subject = 'stub';

-- :name add_card
INSERT INTO card (card_key, account_id, kind, sealed)
VALUES (:card_key::bytea, :account_id::bigint, :kind::text, :sealed::bytea)
ON CONFLICT (card_key) DO NOTHING;

-- :name add_clinic
INSERT INTO clinic (clinic, account_id, name, town, level, lat, lon)
VALUES (:clinic::text, :account_id::bigint, :name::text, :town::text, :level::smallint, :lat::float8, :lon::float8);

-- :name change_clinic
UPDATE clinic SET name = :name::text, town = :town::text, level = :level::smallint, lat = :lat::float8, lon = :lon::float8
 WHERE clinic = :clinic::text;

-- :name open_payable
INSERT INTO ledger_account (ledger, kind, name) VALUES ('clinic:' || :clinic::text || ':payable', 'payable', :name::text)
ON CONFLICT (ledger) DO NOTHING;

-- :name add_terminal
INSERT INTO terminal (terminal, account_id, clinic) VALUES (:terminal::text, :account_id::bigint, :clinic::text);

-- :name repoint_stub_card
-- A card that was used before it was registered moves from its stub account to its holder's.
UPDATE card SET account_id = :account_id::bigint WHERE card_key = :card_key::bytea;

-- :name cards_of_account
SELECT card_key, kind, frozen_until FROM card WHERE account_id = :account_id::bigint ORDER BY known_since;

-- :name add_security_event
INSERT INTO security_event (kind, terminal, operation_id, detail)
VALUES (:kind::text, :terminal::text, :operation_id::uuid, :detail::text);
