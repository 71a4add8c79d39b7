-- Whose freeze it is.

-- :name account_of_card
SELECT account_id FROM card WHERE card_key = :card_key::bytea;

-- :name account
SELECT account_id FROM account WHERE account_id = :account_id::bigint AND subject IN ('resident', 'stub');
