-- Reading stored operations.

-- :name operation
SELECT operation_id, account_id, kind::text, verdict::text, reason, fingerprint, refers, terminal, clinic, version, posted_at
     , business_day, record, event_at, rulebooks, signature
  FROM operation WHERE operation_id = :operation_id::uuid;

-- :name by_bill
SELECT operation_id, kind::text, verdict::text, reason, total, aid, visit, bill, invoice, posted_at, business_day
  FROM operation WHERE clinic = :clinic::text AND bill = :number::text AND posted_at > :since::timestamptz
 ORDER BY operation_id DESC LIMIT 100;

-- :name by_visit
SELECT operation_id, kind::text, verdict::text, reason, total, aid, visit, bill, invoice, posted_at, business_day
  FROM operation WHERE clinic = :clinic::text AND visit = :number::text AND posted_at > :since::timestamptz
 ORDER BY operation_id DESC LIMIT 100;

-- :name by_invoice
SELECT operation_id, kind::text, verdict::text, reason, total, aid, visit, bill, invoice, posted_at, business_day
  FROM operation WHERE clinic = :clinic::text AND invoice = :number::text AND posted_at > :since::timestamptz
 ORDER BY operation_id DESC LIMIT 100;

-- :name reversals_of
SELECT operation_id, kind::text, verdict::text, aid, posted_at, business_day
  FROM operation WHERE refers = :operation_id::uuid ORDER BY version;

-- :name day_totals
SELECT kind::text, verdict::text, reason, count(*) AS count, sum(total)::bigint AS total, sum(aid)::bigint AS aid
  FROM operation
 WHERE business_day = :day::date AND clinic = :clinic::text AND terminal = :terminal::text
   AND kind IN ('claim', 'reversal', 'replacement')
 GROUP BY kind, verdict, reason ORDER BY kind, verdict, reason;

-- :name used_of_account
SELECT DISTINCT ON (accumulator) accumulator, used_after, ceiling
  FROM movement WHERE account_id = :account_id::bigint ORDER BY accumulator, version DESC;

-- :name alerts
SELECT account_id, counter, subject, since, operation_id, clinic, period, value, threshold, action, raised_at
     , acknowledged_at, acknowledged_by
  FROM alert WHERE (acknowledged_at IS NULL OR NOT :open_only::boolean) ORDER BY raised_at DESC LIMIT :most::int;

-- :name acknowledge
UPDATE alert SET acknowledged_at = now(), acknowledged_by = :by::text
 WHERE operation_id = :operation_id::uuid AND counter = :counter::text AND acknowledged_at IS NULL;

-- :name clinic_of_terminal
SELECT clinic FROM terminal WHERE terminal = :terminal::text;
