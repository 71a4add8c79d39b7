-- What an explanation needs beside the stored operation itself.

-- :name decided_on
SELECT event_at, staff, rulebooks FROM operation WHERE operation_id = :operation_id::uuid;

-- :name claim_of
SELECT operation_id, account_id, kind::text, verdict::text, reason, clinic, business_day, record
  FROM operation WHERE operation_id = :operation_id::uuid;

-- :name taken_back_before
-- What had been taken back of a claim when its account stood at a version.
SELECT operation_id, record FROM operation
 WHERE refers = :operation_id::uuid AND version < :version::bigint AND verdict = 'approved'
   AND kind IN ('reversal', 'replacement')
 ORDER BY version;
