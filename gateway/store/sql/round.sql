-- The two statements of a round, in running order. See gateway/lanes.py for the way between them.

-- :name facts
-- What each operation of the round is decided on, in one snapshot: one row per operation, in the order given. Every look-up
-- goes by the account, an id or a key; nothing here grows with the number of claims stored.
WITH book AS MATERIALIZED (
    SELECT digest FROM rulebook_activation ORDER BY activation_id DESC LIMIT 1
), owner AS MATERIALIZED (
    SELECT value FROM setting WHERE name = 'shortfall_owner'
)
SELECT u.n::int
     , now() AS now
     , (SELECT digest FROM book) AS digest
     , (SELECT value FROM owner) AS shortfall_owner
     , a.version, a.subject, a.frozen_until
     , k.frozen_until AS card_frozen_until
     , ta.frozen_until AS terminal_frozen_until
     , ca.frozen_until AS clinic_frozen_until
     , c.lat, c.lon
     , o.account_id AS stored_account, o.kind::text AS stored_kind, o.fingerprint AS stored_fingerprint
     , o.verdict::text AS stored_verdict, o.reason AS stored_reason, o.terminal AS stored_terminal, o.clinic AS stored_clinic
     , o.version AS stored_version, o.posted_at AS stored_posted_at, o.business_day AS stored_business_day
     , o.refers AS stored_refers, o.record AS stored_record
     , e.categories, e.starts, e.ends, e.districts, e.entitlement_ids
     , CASE WHEN u.accumulators <> '' THEN ARRAY(
           SELECT (SELECT m.used_after FROM movement AS m
                    WHERE m.account_id = u.account_id AND m.accumulator = w.accumulator
                    ORDER BY m.version DESC LIMIT 1)
             FROM unnest(string_to_array(u.accumulators, E'\n')) WITH ORDINALITY AS w (accumulator, place)
            ORDER BY w.place) END AS used
     , CASE WHEN u.since IS NOT NULL THEN ARRAY(
           SELECT v.trace FROM activity AS v
            WHERE v.account_id = u.account_id AND v.event_at >= u.since ORDER BY v.event_at, v.operation_id) END AS traces
     , CASE WHEN u.since IS NOT NULL THEN (
           -- The last time the holder was there.
           SELECT v.trace FROM activity AS v
            WHERE v.account_id = u.account_id AND v.event_at < u.since AND v.is_presence
            ORDER BY v.event_at DESC LIMIT 1) END AS trace_before
     , s.clinics AS stay_clinics, s.stays, s.admitted, s.discharged
     , CASE WHEN u.settlements <> '' THEN ARRAY(
           SELECT p.operation_id
             FROM unnest(string_to_array(u.payers, E'\n'), string_to_array(u.settlements, E'\n')) AS w (payer, settlement)
             JOIN prior_settlement AS p ON p.payer = w.payer AND p.settlement = w.settlement AND p.standing) END
       AS settlement_holders
  FROM unnest(:account_id::bigint[], :operation_id::uuid[], :card_key::bytea[], :terminal::text[], :clinic::text[]
            , :accumulators::text[], :since::timestamptz[], :payers::text[], :settlements::text[])
       WITH ORDINALITY AS u (account_id, operation_id, card_key, terminal, clinic, accumulators, since, payers
            , settlements, n)
  JOIN account AS a ON a.account_id = u.account_id
  LEFT JOIN card AS k ON k.card_key = u.card_key
  LEFT JOIN terminal AS t ON t.terminal = u.terminal
  LEFT JOIN account AS ta ON ta.account_id = t.account_id
  LEFT JOIN clinic AS c ON c.clinic = u.clinic
  LEFT JOIN account AS ca ON ca.account_id = c.account_id
  LEFT JOIN operation AS o ON o.operation_id = u.operation_id
  LEFT JOIN LATERAL (
       SELECT array_agg(g.category) AS categories, array_agg(g.starts) AS starts, array_agg(g.ends) AS ends
            , array_agg(g.district) AS districts, array_agg(g.entitlement_id) AS entitlement_ids
         FROM entitlement AS g WHERE g.account_id = u.account_id) AS e ON true
  LEFT JOIN LATERAL (
       SELECT array_agg(g.clinic) AS clinics, array_agg(g.stay) AS stays, array_agg(g.admitted) AS admitted
            , array_agg(g.discharged) AS discharged
         FROM stay AS g WHERE g.account_id = u.account_id) AS s ON true;

-- :name references
-- What operations take back, replace or supersede: one row per operation that refers to one. Read after the facts, never before
-- them: what comes to an account in between moves its version, and the posting is refused.
SELECT u.n::int
     , r.account_id AS referred_account, r.kind::text AS referred_kind, r.verdict::text AS referred_verdict
     , r.reason AS referred_reason, r.clinic AS referred_clinic, r.business_day AS referred_business_day
     , r.record AS referred_record
     , b.back_ids, b.back_records
     , ARRAY(
           SELECT x.operation_id FROM operation AS x
            WHERE x.refers = u.refers AND x.account_id = u.account_id AND x.reason <> 'SUPERSEDES_NOTHING'
              AND (x.kind = 'claim' OR x.kind = 'replacement' AND x.verdict = 'approved')) AS followed_by
  FROM unnest(:n::int[], :account_id::bigint[], :refers::uuid[]) AS u (n, account_id, refers)
  JOIN operation AS r ON r.operation_id = u.refers
  LEFT JOIN LATERAL (
       SELECT array_agg(x.operation_id) AS back_ids, array_agg(x.record) AS back_records
         FROM operation AS x
        WHERE x.refers = u.refers AND x.verdict = 'approved' AND x.kind IN ('reversal', 'replacement')) AS b ON true;

-- :name post
-- Posts what was decided; see post_round_v1 in the schema. One row: which operations were posted, when, in which business day.
SELECT posted, posted_at, business_day
  FROM post_round_v1(
       :account_id, :version, :operation_id, :kind, :verdict, :reason
     , :fingerprint, :refers, :terminal, :clinic, :staff, :cashier
     , :event_at, :service_day, :total, :aid
     , :visit, :bill, :invoice, :rulebooks, :record, :signature
     , :trace
     , :posting_of, :posting_ledger, :posting_amount
     , :movement_of, :movement_accumulator, :movement_delta, :movement_ceiling, :movement_exception
     , :alert_of, :alert_counter, :alert_subject, :alert_since, :alert_period, :alert_value, :alert_threshold, :alert_action
     , :prior_of, :prior_payer, :prior_settlement, :prior_taken
     , :effect_of, :effect);

-- :name lock_accounts
-- Waits for what another holds, and, while a synchronous standby is away, for what was written before: a row that a failover
-- would lose can be seen, but a lock is itself written and its commit waits. A replay is answered only after this. Locked in the
-- order of ids.
SELECT account_id FROM account WHERE account_id = ANY (:account_ids::bigint[]) ORDER BY account_id FOR NO KEY UPDATE;

-- :name lock_free_accounts
-- The same without waiting: an account that another holds is left out, and delays nobody else's.
SELECT account_id FROM account WHERE account_id = ANY (:account_ids::bigint[]) ORDER BY account_id
   FOR NO KEY UPDATE SKIP LOCKED;

-- :name open_ledgers
-- The ledger accounts of funds that a rulebook names for the first time.
INSERT INTO ledger_account (ledger, kind, name)
SELECT l.ledger, split_part(l.ledger, ':', 1), l.ledger FROM unnest(:ledgers::text[]) AS l (ledger)
ON CONFLICT (ledger) DO NOTHING;
