-- What is always true of the books. Each statement says of every row it looks at whether it is wrong: (example, wrong), where
-- the example names the row. gateway/store/checks.py counts; gateway/selfcheck.py says what each check is called.
-- Set-based: each reads its tables once, whatever their size.

-- :name entries_sum_to_zero
-- What one operation books comes to nothing: the clinic gets what the funds give.
SELECT operation_id::text AS example, sum(amount) <> 0 AS wrong FROM posting GROUP BY operation_id;

-- :name book_sums_to_zero
-- The book as a whole comes to nothing, so its balances are those of its postings and of nothing else.
SELECT 'the book' AS example, coalesce(sum(amount), 0) <> 0 AS wrong FROM posting;

-- :name ledgers_are_known
-- Every posting is on a ledger account of the chart.
SELECT p.operation_id::text AS example, l.ledger IS NULL AS wrong
  FROM posting AS p LEFT JOIN ledger_account AS l ON l.ledger = p.ledger;

-- :name postings_have_their_operation
-- Only an approved claim, reversal or replacement books anything: on its account, on its business day.
SELECT p.operation_id::text AS example
     , (o.verdict = 'approved' AND o.kind IN ('claim', 'reversal', 'replacement')
        AND o.account_id = p.account_id AND o.business_day = p.business_day) IS NOT TRUE AS wrong
  FROM posting AS p LEFT JOIN operation AS o ON o.operation_id = p.operation_id;

-- :name postings_equal_aid
-- What an operation books to its clinic's payable, and takes from everything else, is the aid it states.
WITH booked AS (
    SELECT p.operation_id
         , sum(p.amount) FILTER (WHERE p.ledger <> 'clinic:' || o.clinic || ':payable') AS taken
         , -sum(p.amount) FILTER (WHERE p.ledger = 'clinic:' || o.clinic || ':payable') AS given
      FROM posting AS p JOIN operation AS o ON o.operation_id = p.operation_id
     GROUP BY p.operation_id
)
SELECT o.operation_id::text AS example, coalesce(b.taken, 0) <> o.aid OR coalesce(b.given, 0) <> o.aid AS wrong
  FROM operation AS o LEFT JOIN booked AS b ON b.operation_id = o.operation_id
 WHERE o.kind IN ('claim', 'reversal', 'replacement');

-- :name reversals_give_back_at_most
-- Per claim and fund, all that was given back is at most what was given. Within a replacement, what is negative is given back.
WITH fund_side AS (
    SELECT p.operation_id, o.refers, o.kind, p.ledger, p.amount
      FROM posting AS p JOIN operation AS o ON o.operation_id = p.operation_id
     WHERE p.ledger <> 'clinic:' || o.clinic || ':payable'
), given AS (
    SELECT operation_id, ledger, sum(amount) AS amount FROM fund_side WHERE amount > 0 GROUP BY operation_id, ledger
), back AS (
    SELECT refers AS operation_id, ledger, -sum(amount) AS amount
      FROM fund_side WHERE amount < 0 AND kind IN ('reversal', 'replacement') GROUP BY refers, ledger
)
SELECT b.operation_id::text || ' ' || b.ledger AS example, b.amount > coalesce(g.amount, 0) AS wrong
  FROM back AS b LEFT JOIN given AS g ON g.operation_id = b.operation_id AND g.ledger = b.ledger;

-- :name claims_are_taken_back_once
-- Once nothing of a claim is left (a replacement leaves nothing, nor do reversals of all its amount), nothing more is taken.
WITH back AS (
    SELECT r.operation_id, r.refers, c.total
         , sum(CASE r.kind WHEN 'reversal' THEN -r.total ELSE 0 END)
               OVER (PARTITION BY r.refers ORDER BY r.version) AS back
         , count(*) FILTER (WHERE r.kind = 'replacement')
               OVER (PARTITION BY r.refers ORDER BY r.version ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS replaced
      FROM operation AS r JOIN operation AS c ON c.operation_id = r.refers
     WHERE r.kind IN ('reversal', 'replacement') AND r.verdict = 'approved' AND c.kind <> 'tombstone'
)
SELECT operation_id::text AS example, back > total OR replaced > 0 AS wrong FROM back;

-- :name references_hold
-- What an approved operation refers to: a reversal and a replacement, an approved claim of the same account (or the id that a
-- reversal spent); a claim that supersedes, a challenged one or one whose quote had changed.
SELECT o.operation_id::text AS example
     , (r.account_id = o.account_id
        AND CASE o.kind
            WHEN 'claim' THEN r.verdict = 'challenged' OR r.reason = 'QUOTE_CHANGED'
            WHEN 'reversal' THEN r.verdict = 'approved' AND r.kind IN ('claim', 'replacement')
                              OR r.kind = 'tombstone' AND r.refers = o.operation_id
            WHEN 'replacement' THEN r.verdict = 'approved' AND r.kind IN ('claim', 'replacement')
            END) IS NOT TRUE AS wrong
  FROM operation AS o LEFT JOIN operation AS r ON r.operation_id = o.refers
 WHERE o.verdict = 'approved' AND (o.kind IN ('reversal', 'replacement') OR o.refers IS NOT NULL);

-- :name claims_are_followed_once
-- A challenged claim, or one whose quote had changed, has at most one successor that was approved.
SELECT refers::text AS example, count(*) > 1 AS wrong
  FROM operation WHERE kind = 'claim' AND verdict = 'approved' AND refers IS NOT NULL GROUP BY refers;

-- :name tombstones_have_their_reversal
-- An id is spent by an approved reversal that names it, and shares that reversal's place in the account.
SELECT t.operation_id::text AS example
     , (t.verdict = 'declined' AND r.kind = 'reversal' AND r.verdict = 'approved' AND r.refers = t.operation_id
        AND r.account_id = t.account_id AND r.version = t.version) IS NOT TRUE AS wrong
  FROM operation AS t LEFT JOIN operation AS r ON r.operation_id = t.refers
 WHERE t.kind = 'tombstone';

-- :name settlements_stand_once
-- A payer's settlement stands behind one claim at most.
SELECT payer || ' ' || settlement AS example, count(*) FILTER (WHERE standing) > 1 AS wrong
  FROM prior_settlement GROUP BY payer, settlement;

-- :name settlements_stand_with_their_claim
-- A settlement stands as long as anything of its claim does.
WITH back AS (
    SELECT refers, bool_or(kind = 'replacement') AS replaced, -sum(total) FILTER (WHERE kind = 'reversal') AS amount
      FROM operation WHERE kind IN ('reversal', 'replacement') AND verdict = 'approved' GROUP BY refers
)
SELECT p.operation_id::text AS example
     , (o.verdict = 'approved' AND o.account_id = p.account_id
        AND p.standing = NOT (coalesce(b.replaced, false) OR coalesce(b.amount, 0) >= o.total)) IS NOT TRUE AS wrong
  FROM prior_settlement AS p
  LEFT JOIN operation AS o ON o.operation_id = p.operation_id
  LEFT JOIN back AS b ON b.refers = p.operation_id;

-- :name versions_are_contiguous
-- An account's operations are numbered 1, 2, 3, … to its version; a tombstone has no number of its own.
WITH numbered AS (
    SELECT account_id, count(*) AS count, count(DISTINCT version) AS distinct_versions, min(version) AS first
         , max(version) AS last
      FROM operation WHERE kind <> 'tombstone' GROUP BY account_id
)
SELECT coalesce(a.account_id, n.account_id)::text AS example
     , a.version IS DISTINCT FROM coalesce(n.last, 0)
       OR n.first <> 1 OR n.count <> n.last OR n.distinct_versions <> n.count AS wrong
  FROM account AS a FULL JOIN numbered AS n ON n.account_id = a.account_id;

-- :name movements_form_a_chain
-- The balance after a movement is the one before it and its delta.
SELECT account_id::text || ' ' || accumulator AS example
     , used_after <> delta + coalesce(lag(used_after) OVER (PARTITION BY account_id, accumulator ORDER BY version), 0)
       AS wrong
  FROM movement;

-- :name ceilings_hold
-- Nothing that adds goes past its ceiling, but an exception that says so.
SELECT operation_id::text || ' ' || accumulator AS example
     , delta > 0 AND used_after > ceiling AND NOT is_exception IS TRUE AS wrong
  FROM movement WHERE ceiling IS NOT NULL;

-- :name use_is_not_given_back_twice
-- Claims never give back more use than they took. A balance itself may be below zero: use recorded from elsewhere may be negative.
SELECT m.operation_id::text || ' ' || m.accumulator AS example
     , sum(m.delta) OVER (PARTITION BY m.account_id, m.accumulator ORDER BY m.version) < 0 AS wrong
  FROM movement AS m JOIN operation AS o ON o.operation_id = m.operation_id
 WHERE o.kind <> 'use';

-- :name movements_have_their_operation
-- Only an approved operation moves an accumulator: of its account, at its version.
SELECT m.operation_id::text || ' ' || m.accumulator AS example
     , (o.verdict = 'approved' AND o.kind IN ('claim', 'reversal', 'replacement', 'use')
        AND o.account_id = m.account_id AND o.version = m.version) IS NOT TRUE AS wrong
  FROM movement AS m LEFT JOIN operation AS o ON o.operation_id = m.operation_id;

-- :name activity_is_complete
-- Each claim, replacement and reversal has its one trace, by account and event time (a reversal that only spent an id has
-- none), and nothing else has.
WITH traced AS (
    SELECT o.operation_id, o.account_id, o.event_at
      FROM operation AS o LEFT JOIN operation AS t ON t.operation_id = o.refers AND t.kind = 'tombstone'
     WHERE o.kind IN ('claim', 'replacement') OR o.kind = 'reversal' AND t.refers IS DISTINCT FROM o.operation_id
)
SELECT coalesce(t.operation_id, v.operation_id)::text AS example
     , t.operation_id IS NULL OR v.operation_id IS NULL
       OR count(*) OVER (PARTITION BY coalesce(t.operation_id, v.operation_id)) > 1 AS wrong
  FROM traced AS t
  FULL JOIN activity AS v
    ON v.operation_id = t.operation_id AND v.account_id = t.account_id AND v.event_at = t.event_at;

-- :name alerts_have_their_claim
-- An alert was raised by a claim or replacement of its account, when that was posted.
SELECT a.operation_id::text || ' ' || a.counter AS example
     , (o.kind IN ('claim', 'replacement') AND o.account_id = a.account_id AND o.clinic = a.clinic
        AND o.posted_at = a.raised_at) IS NOT TRUE AS wrong
  FROM alert AS a LEFT JOIN operation AS o ON o.operation_id = a.operation_id;

-- :name shortfalls_have_their_claim
-- A shortfall is of a claim or replacement of its account; what a fund bears was paid as promised.
SELECT s.operation_id::text AS example
     , (o.kind IN ('claim', 'replacement') AND o.account_id = s.account_id
        AND (s.owner LIKE 'clinic:%' OR o.verdict = 'approved')) IS NOT TRUE AS wrong
  FROM shortfall AS s LEFT JOIN operation AS o ON o.operation_id = s.operation_id;

-- :name entitlements_have_their_operation
-- An entitlement was given by an approved operation of its account, and ended early by another.
SELECT e.entitlement_id::text AS example
     , (g.kind = 'entitle' AND g.verdict = 'approved' AND g.account_id = e.account_id) IS NOT TRUE
       OR e.stopped_by IS NOT NULL
          AND (s.kind = 'stop' AND s.verdict = 'approved' AND s.account_id = e.account_id) IS NOT TRUE AS wrong
  FROM entitlement AS e
  LEFT JOIN operation AS g ON g.operation_id = e.entitlement_id
  LEFT JOIN operation AS s ON s.operation_id = e.stopped_by;

-- :name business_days_follow_the_clock
-- An operation is settled on the Shanghai date it was posted on or, after the cut-off, on the next; of one date, never the next day
-- first and the same day after. This holds whatever the cut-off was in its time.
WITH dated AS (
    SELECT operation_id, posted_at, business_day, (posted_at AT TIME ZONE 'Asia/Shanghai')::date AS date FROM operation
)
SELECT operation_id::text AS example
     , business_day NOT IN (date, date + 1)
       OR business_day < max(business_day) OVER (PARTITION BY date ORDER BY posted_at) AS wrong
  FROM dated;

-- :name rulebooks_are_kept
-- The rulebooks that an operation was decided by are still here, to explain it.
SELECT o.rulebooks AS example, s.digest IS NULL AS wrong
  FROM (SELECT DISTINCT rulebooks FROM operation) AS o LEFT JOIN rulebook_set AS s ON s.digest = o.rulebooks;
