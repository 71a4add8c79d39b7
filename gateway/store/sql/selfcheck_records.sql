-- What is recomputed, operation by operation.

-- :name operations
SELECT o.operation_id, o.account_id, o.kind::text, o.verdict::text, o.reason, o.fingerprint, o.refers, o.terminal, o.clinic
     , o.staff, o.version, o.event_at, o.posted_at, o.business_day, o.total, o.aid, o.visit, o.rulebooks, o.record
     , (SELECT v.trace FROM activity AS v
         WHERE v.account_id = o.account_id AND v.event_at = o.event_at AND v.operation_id = o.operation_id) AS trace
  FROM operation AS o ORDER BY o.operation_id;
