-- What a counter shows when a card is read.

-- :name standing
SELECT a.subject, a.frozen_until, c.frozen_until AS card_frozen_until
  FROM account AS a LEFT JOIN card AS c ON c.card_key = :card_key::bytea
 WHERE a.account_id = :account_id::bigint;

-- :name entitlements
SELECT category, starts, ends, district FROM entitlement WHERE account_id = :account_id::bigint ORDER BY starts;

-- :name used
SELECT DISTINCT ON (accumulator) accumulator, used_after
  FROM movement WHERE account_id = :account_id::bigint ORDER BY accumulator, version DESC;

-- :name open_stays
SELECT clinic, admitted FROM stay WHERE account_id = :account_id::bigint AND discharged IS NULL ORDER BY admitted;

-- :name recent_accounts
-- Who was at this clinic lately, newest first: those its terminals may need offline terms for.
SELECT o.account_id, max(o.posted_at) AS seen
  FROM operation AS o
 WHERE o.clinic = :clinic::text AND o.business_day > :since::date AND o.kind IN ('claim', 'replacement') AND o.verdict = 'approved'
 GROUP BY o.account_id ORDER BY seen DESC LIMIT :most::int;

-- :name offline_facts
SELECT a.account_id
     , ARRAY(SELECT c.card_key FROM card AS c
              WHERE c.account_id = a.account_id AND c.frozen_until IS NULL ORDER BY c.card_key) AS card_keys
     , ARRAY(SELECT c.sealed FROM card AS c
              WHERE c.account_id = a.account_id AND c.frozen_until IS NULL ORDER BY c.card_key) AS sealed
     , e.categories, e.starts, e.ends, e.districts
     , (SELECT jsonb_object_agg(m.accumulator, m.used_after) FROM (
           SELECT DISTINCT ON (accumulator) accumulator, used_after FROM movement
            WHERE account_id = a.account_id ORDER BY accumulator, version DESC) AS m)::text AS used
  FROM account AS a
  LEFT JOIN LATERAL (
       SELECT array_agg(g.category) AS categories, array_agg(g.starts) AS starts, array_agg(g.ends) AS ends
            , array_agg(g.district) AS districts
         FROM entitlement AS g WHERE g.account_id = a.account_id) AS e ON true
 WHERE a.account_id = ANY (:account_ids::bigint[]) AND a.subject = 'resident' AND a.frozen_until IS NULL;
