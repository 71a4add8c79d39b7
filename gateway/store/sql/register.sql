-- What is registered already, so that a list can be brought again.

-- :name entitlements
SELECT entitlement_id, category, district, starts, ends FROM entitlement WHERE account_id = :account_id::bigint;

-- :name uses
-- Use of an accumulator that was brought from elsewhere.
SELECT o.operation_id, o.record
  FROM movement AS m JOIN operation AS o ON o.operation_id = m.operation_id
 WHERE m.account_id = :account_id::bigint AND m.accumulator = :accumulator::text AND o.kind = 'use';

-- :name card_holder
SELECT account_id, subject FROM card JOIN account USING (account_id) WHERE card_key = :card_key::bytea;
