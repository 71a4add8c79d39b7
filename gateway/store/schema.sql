-- The schema, whole. Equal to the sum of the migrations (a test compares them).
--
-- It is laid once into the schema `aidgate` (the real books) and once into `sandbox` (integrators' trials): same tables, same
-- functions, nothing shared, so that a trial can never touch the books. Names are therefore never qualified.
--
-- Conventions: amounts are bigint fen. Days are Shanghai's. Texts that say who a person is (name, id number, card number,
-- diagnosis) stand in no column: they are sealed (bytea, see gateway/trust/sealing.py) or keyed hashes.
-- Tables of the hot path begin their key with the account, whose id carries a shard number in its low ten bits.

-- What happened to an account. Python: gateway.domain.operation.Kind
CREATE TYPE operation_kind AS ENUM (
    'claim'        -- a clinic asked for aid
  , 'reversal'     -- a claim, or lines of it, taken back
  , 'replacement'  -- a reversal and a new claim at the original day of service, as one
  , 'tombstone'    -- a claim taken back before it arrived: its id is spent
  , 'freeze'       -- aid does not pay until a day
  , 'unfreeze'
  , 'entitle'      -- a category from a day to a day
  , 'stop'         -- an entitlement gets a last day
  , 'use'          -- use of a ceiling that happened elsewhere
  , 'stay'         -- admitted or discharged
);

-- How it ended; final for the operation's id. Python: gateway.domain.operation.Verdict
CREATE TYPE verdict AS ENUM (
    'approved'
  , 'declined'     -- with a reason; nothing but the refusal itself was written
  , 'challenged'   -- check the holder's identity; answered by another claim that names this one
);


-- The unit that is locked, versioned and counted: a resident's social insurance account. Clinics and terminals have one too,
-- so that freezing them is an operation like any other. Rows are only ever updated in `version` and `frozen_*`: the
-- fill factor leaves room for that within the page, and no index is touched.
CREATE SEQUENCE account_number;
CREATE TABLE account (
    account_id     bigint       NOT NULL
  , version        bigint       NOT NULL DEFAULT 0
  , subject        text         NOT NULL
  , frozen_until   date
  , frozen_reason  text
  , opened_at      timestamptz  NOT NULL DEFAULT now()
  , CONSTRAINT account_pkey PRIMARY KEY (account_id)
  , CONSTRAINT account_subject CHECK (subject IN ('resident', 'stub', 'clinic', 'terminal'))
) WITH (fillfactor = 60);

-- A new account id: a number of its own above, the shard below.
CREATE FUNCTION new_account_id() RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT number * 1024 + number % 1024 FROM nextval('account_number') AS number
$$;

-- Which account a card opens. Immutable but for freezes, so that it can be cached. The key is a keyed hash of the number;
-- an id number typed at the counter is a card of kind `id`.
CREATE TABLE card (
    card_key       bytea        NOT NULL
  , account_id     bigint       NOT NULL REFERENCES account
  , kind           text         NOT NULL
  , sealed         bytea        NOT NULL   -- number and card id
  , frozen_until   date
  , frozen_reason  text
  , known_since    timestamptz  NOT NULL DEFAULT now()
  , CONSTRAINT card_pkey PRIMARY KEY (card_key)
  , CONSTRAINT card_kind CHECK (kind IN ('ssc', 'id'))
);
CREATE INDEX card_account ON card (account_id);

-- The account of a card nobody registered; two callers at once get the same one, and no account is left over.
CREATE FUNCTION open_stub_v1(p_card_key bytea, p_kind text, p_sealed bytea) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    found bigint;
BEGIN
    SELECT account_id INTO found FROM card WHERE card_key = p_card_key;
    IF found IS NULL THEN
        BEGIN
            INSERT INTO account (account_id, subject) VALUES (new_account_id(), 'stub') RETURNING account_id INTO found;
            INSERT INTO card (card_key, account_id, kind, sealed) VALUES (p_card_key, found, p_kind, p_sealed);
        EXCEPTION WHEN unique_violation THEN
            SELECT account_id INTO found FROM card WHERE card_key = p_card_key;
        END;
    END IF;
    RETURN found;
END
$$;

-- Who the bureau knows behind an account.
CREATE TABLE resident (
    account_id     bigint       NOT NULL REFERENCES account
  , identity_key   bytea        NOT NULL   -- keyed hash of the id number
  , sealed         bytea        NOT NULL   -- name, id number, phone
  , town           text         NOT NULL
  , registered_at  timestamptz  NOT NULL DEFAULT now()
  , CONSTRAINT resident_pkey PRIMARY KEY (account_id)
  , CONSTRAINT one_resident_per_identity UNIQUE (identity_key)
);

CREATE TABLE clinic (
    clinic      text              NOT NULL
  , account_id  bigint            NOT NULL REFERENCES account
  , name        text              NOT NULL
  , town        text              NOT NULL
  , level       smallint          NOT NULL DEFAULT 1
  , lat         double precision  NOT NULL DEFAULT 0   -- WGS84; 0, 0 = not known
  , lon         double precision  NOT NULL DEFAULT 0
  , CONSTRAINT clinic_pkey PRIMARY KEY (clinic)
);

CREATE TABLE terminal (
    terminal    text         NOT NULL
  , account_id  bigint       NOT NULL REFERENCES account
  , clinic      text         NOT NULL REFERENCES clinic
  , known_since timestamptz  NOT NULL DEFAULT now()
  , CONSTRAINT terminal_pkey PRIMARY KEY (terminal)
);


-- Everything that moved an account, with what was decided. Append-only. The id is a UUIDv7 made by the author before it is
-- sent: one id, one operation, whatever card it is sent with again. Cut by the id's time, half a year a
-- partition: each is opened by every statement that looks an id up.
CREATE TABLE operation (
    operation_id  uuid            NOT NULL
  , account_id    bigint          NOT NULL
  , version       bigint          NOT NULL   -- of the account, after this operation: 1, 2, 3, …
  , kind          operation_kind  NOT NULL
  , verdict       verdict         NOT NULL
  , reason        text            NOT NULL   -- refusal code; empty when approved
  , fingerprint   bytea           NOT NULL   -- of author and content; empty for a tombstone, which stands for any
  , refers        uuid                       -- what it takes back, replaces or supersedes
  , terminal      text            NOT NULL
  , clinic        text            NOT NULL
  , staff         text            NOT NULL
  , cashier       text            NOT NULL
  , event_at      timestamptz     NOT NULL   -- when it happened, by its author
  , posted_at     timestamptz     NOT NULL   -- when it was decided, by this server
  , business_day  date            NOT NULL
  , service_day   date
  , total         bigint          NOT NULL
  , aid           bigint          NOT NULL   -- what aid pays; negative when taken back
  , visit         text
  , bill          text
  , invoice       text
  , rulebooks     text            NOT NULL   -- digest of the set it was decided by
  , record        bytea           NOT NULL   -- sealed: content, facts and outcome; the answer is rendered from it
  , signature     bytea           NOT NULL
  , CONSTRAINT operation_pkey PRIMARY KEY (operation_id)
  , CONSTRAINT a_refusal_pays_nothing CHECK (verdict = 'approved' OR aid = 0)
  , CONSTRAINT a_refusal_has_a_reason CHECK ((verdict = 'approved') = (reason = ''))
) PARTITION BY RANGE (operation_id);
ALTER TABLE operation ALTER COLUMN record SET STORAGE EXTERNAL;
-- Reversals of a claim; few rows have one.
CREATE INDEX operation_refers ON operation (refers) WHERE refers IS NOT NULL;
-- Search at the counter, and a clinic's day.
CREATE INDEX operation_bill ON operation (clinic, bill) WHERE bill IS NOT NULL;
CREATE INDEX operation_visit ON operation (clinic, visit) WHERE visit IS NOT NULL;
CREATE INDEX operation_invoice ON operation (clinic, invoice) WHERE invoice IS NOT NULL;
CREATE INDEX operation_day ON operation (business_day, clinic, terminal);

-- One signed line of an entry on one ledger account; an entry is what one operation books. Debits positive. Append-only.
-- Sums to zero per operation: post_round writes the clinic's side as what the funds' sides leave.
CREATE TABLE posting (
    operation_id  uuid      NOT NULL
  , line          smallint  NOT NULL
  , account_id    bigint    NOT NULL
  , ledger        text      NOT NULL
  , amount        bigint    NOT NULL
  , business_day  date      NOT NULL
  , CONSTRAINT posting_pkey PRIMARY KEY (operation_id, line)
  , CONSTRAINT no_empty_postings CHECK (amount <> 0)
) PARTITION BY RANGE (operation_id);

-- The chart of ledger accounts.
CREATE TABLE ledger_account (
    ledger  text  NOT NULL
  , kind    text  NOT NULL
  , name    text  NOT NULL
  , CONSTRAINT ledger_account_pkey PRIMARY KEY (ledger)
  , CONSTRAINT ledger_account_kind CHECK (kind IN ('fund', 'payable', 'bank', 'suspense'))
);

-- Use of deductibles and ceilings, with the balance after each. Append-only. The check is the second guard of every ceiling:
-- ceilings change, so only what adds is measured; an offline excess is recorded, as an exception with an owner.
CREATE TABLE movement (
    account_id    bigint   NOT NULL
  , accumulator   text     NOT NULL
  , version       bigint   NOT NULL
  , operation_id  uuid     NOT NULL
  , delta         bigint   NOT NULL
  , used_after    bigint   NOT NULL
  , ceiling       bigint
  , is_exception  boolean  NOT NULL
  , CONSTRAINT movement_pkey PRIMARY KEY (account_id, accumulator, version)
  , CONSTRAINT ceiling_holds CHECK (delta <= 0 OR ceiling IS NULL OR used_after <= ceiling OR is_exception)
);

-- What the velocity counters are computed from: a narrow, append-only trace of every attempt, by event time.
CREATE TABLE activity (
    account_id    bigint       NOT NULL
  , event_at      timestamptz  NOT NULL
  , operation_id  uuid         NOT NULL
  , is_presence   boolean      NOT NULL   -- was the holder there?
  , trace         bytea        NOT NULL   -- rules.Activity, packed; names nobody
  , CONSTRAINT activity_pkey PRIMARY KEY (account_id, event_at, operation_id)
);

-- A counter was hit: one row per counter, subject and window, in the transaction of the claim that hit it.
CREATE TABLE alert (
    account_id       bigint       NOT NULL
  , counter          text         NOT NULL
  , subject          text         NOT NULL
  , since            timestamptz  NOT NULL   -- start of the window
  , operation_id     uuid         NOT NULL
  , clinic           text         NOT NULL
  , period           text         NOT NULL   -- the counter's window, as the rulebook names it
  , value            bigint       NOT NULL
  , threshold        bigint       NOT NULL
  , action           text         NOT NULL
  , raised_at        timestamptz  NOT NULL
  , acknowledged_at  timestamptz
  , acknowledged_by  text
  , CONSTRAINT alert_pkey PRIMARY KEY (account_id, counter, subject, since)
  , CONSTRAINT alert_action CHECK (action IN ('flag', 'challenge', 'refuse'))
);
CREATE INDEX alert_open ON alert (raised_at) WHERE acknowledged_at IS NULL;

-- A payer's own settlement stands behind one standing claim at most.
CREATE TABLE prior_settlement (
    operation_id  uuid     NOT NULL
  , account_id    bigint   NOT NULL
  , payer         text     NOT NULL
  , settlement    text     NOT NULL
  , standing      boolean  NOT NULL
);
CREATE UNIQUE INDEX one_standing_claim_per_settlement ON prior_settlement (payer, settlement) WHERE standing;

-- Who is entitled to what, from a day to a day, both included.
CREATE TABLE entitlement (
    account_id      bigint  NOT NULL
  , entitlement_id  uuid    NOT NULL   -- the operation that gave it
  , category        text    NOT NULL
  , district        text    NOT NULL
  , starts          date    NOT NULL
  , ends            date
  , confirmed_by    text    NOT NULL
  , stopped_by      uuid               -- the operation that gave it its last day
  , CONSTRAINT entitlement_pkey PRIMARY KEY (account_id, entitlement_id)
  , CONSTRAINT ends_after_it_starts CHECK (ends IS NULL OR ends >= starts OR stopped_by IS NOT NULL)
);

-- Inpatient stays; open ones have no discharge.
CREATE TABLE stay (
    account_id  bigint       NOT NULL
  , clinic      text         NOT NULL
  , stay        text         NOT NULL
  , admitted    timestamptz  NOT NULL
  , discharged  timestamptz
  , CONSTRAINT stay_pkey PRIMARY KEY (account_id, clinic, stay)
);

-- Offline claims that were promised more than they were worth: somebody bears the difference.
CREATE TABLE shortfall (
    operation_id  uuid         NOT NULL
  , account_id    bigint       NOT NULL
  , owner         text         NOT NULL   -- clinic:<code> or a fund
  , promised      bigint       NOT NULL
  , exact         bigint       NOT NULL
  , raised_at     timestamptz  NOT NULL
  , CONSTRAINT shortfall_pkey PRIMARY KEY (operation_id)
  , CONSTRAINT promised_more CHECK (promised > exact)
);


-- Sets of rulebooks, each whole and unchangeable, and which was in force when. Files are packed by gateway/rulebooks.py.
CREATE TABLE rulebook_set (
    digest     text         NOT NULL
  , files      bytea        NOT NULL
  , loaded_at  timestamptz  NOT NULL DEFAULT now()
  , CONSTRAINT rulebook_set_pkey PRIMARY KEY (digest)
);
CREATE TABLE rulebook_activation (
    activation_id  bigint       GENERATED ALWAYS AS IDENTITY
  , digest         text         NOT NULL REFERENCES rulebook_set
  , activated_by   text         NOT NULL
  , activated_at   timestamptz  NOT NULL DEFAULT now()
  , CONSTRAINT rulebook_activation_pkey PRIMARY KEY (activation_id)
);

-- The few settings that every gateway must agree on.
CREATE TABLE setting (
    name   text  NOT NULL
  , value  text  NOT NULL
  , CONSTRAINT setting_pkey PRIMARY KEY (name)
);
INSERT INTO setting VALUES
    ('business_day_cut_off', '00:00')    -- Shanghai time at which the business day ends; 22:00 puts the late evening into the next day
  , ('shortfall_owner', 'clinic')        -- who bears what an offline claim was promised too much: clinic, or fund
;

-- What should not have happened: an id with two contents, a claim of another clinic.
CREATE TABLE security_event (
    event_id      bigint       GENERATED ALWAYS AS IDENTITY
  , happened_at   timestamptz  NOT NULL DEFAULT now()
  , kind          text         NOT NULL
  , terminal      text         NOT NULL
  , operation_id  uuid
  , detail        text         NOT NULL   -- names of fields, never values
  , CONSTRAINT security_event_pkey PRIMARY KEY (event_id)
);


-- The business day of a moment: Shanghai's date, moved on by the cut-off.
CREATE FUNCTION business_day_of(moment timestamptz, cut_off interval) RETURNS date LANGUAGE sql STABLE AS $$
    SELECT (moment AT TIME ZONE 'Asia/Shanghai'
            + CASE WHEN cut_off = interval '0' THEN interval '0' ELSE interval '24 hours' - cut_off END)::date
$$;

-- The smallest UUIDv7 of a moment: the bound of a partition.
CREATE FUNCTION uuid_floor(moment timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0') || '70008000000000000000')::uuid
$$;

-- Makes the half-year partitions from a day to a day where they are missing. Called at set-up and by every start.
CREATE FUNCTION make_partitions(since date, until date) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    half date := make_date(extract(year FROM since)::int, CASE WHEN extract(month FROM since) < 7 THEN 1 ELSE 7 END, 1);
    suffix text;
    name text;
    made int := 0;
BEGIN
    WHILE half <= until LOOP
        suffix := to_char(half, 'YYYY') || CASE WHEN extract(month FROM half) = 1 THEN 'h1' ELSE 'h2' END;
        FOREACH name IN ARRAY ARRAY['operation', 'posting'] LOOP
            IF to_regclass(name || '_' || suffix) IS NULL THEN
                -- Rows stay whole up to a page: a record is read as often as it is written, and is sealed, so does not compress.
                EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L) WITH (toast_tuple_target = 8160)'
                             , name || '_' || suffix, name
                             , uuid_floor(half::timestamptz), uuid_floor((half + interval '6 months')::timestamptz));
                made := made + 1;
            END IF;
        END LOOP;
        half := (half + interval '6 months')::date;
    END LOOP;
    RETURN made;
END
$$;

-- Posts one round: every operation of the round that is still decided on the newest facts, and nothing of the others.
--
-- Arguments are arrays of scalars: one element per operation, then flat arrays whose `…_of` says to which operation (1-based)
-- an element belongs. Called by itself, outside any transaction block, so that it commits by itself.
--
-- Locks: the accounts' rows only, in the order of their ids, skipping what another holds. Under READ COMMITTED the lock
-- re-reads the row it waited for, so `version` is compared with the newest one: an account that moved since its facts were
-- read is left out, and so is every operation whose id someone else has inserted meanwhile. What is left out comes back to the
-- caller by not being in `posted`, and is decided again on fresh facts.
--
-- The name carries a version: a rolling upgrade has old and new gateways calling old and new functions side by side.
CREATE FUNCTION post_round_v1(
    p_account bigint[], p_version bigint[], p_operation uuid[], p_kind text[], p_verdict text[], p_reason text[]
  , p_fingerprint bytea[], p_refers uuid[], p_terminal text[], p_clinic text[], p_staff text[], p_cashier text[]
  , p_event_at timestamptz[], p_service_day date[], p_total bigint[], p_aid bigint[]
  , p_visit text[], p_bill text[], p_invoice text[], p_rulebooks text[], p_record bytea[], p_signature bytea[]
  , p_trace bytea[]
  , p_posting_of int[], p_posting_ledger text[], p_posting_amount bigint[]
  , p_movement_of int[], p_movement_accumulator text[], p_movement_delta bigint[]
  , p_movement_ceiling bigint[], p_movement_exception boolean[]
  , p_alert_of int[], p_alert_counter text[], p_alert_subject text[], p_alert_since timestamptz[], p_alert_period text[]
  , p_alert_value bigint[], p_alert_threshold bigint[], p_alert_action text[]
  , p_prior_of int[], p_prior_payer text[], p_prior_settlement text[], p_prior_taken boolean[]
  , p_effect_of int[], p_effect jsonb[]
  , OUT posted int[], OUT posted_at timestamptz, OUT business_day date
) LANGUAGE plpgsql AS $$
DECLARE
    inserted int;
    n int;
BEGIN
    -- The statement's time, not the transaction's: an operation that waited for its lock is posted now, not when it began to wait.
    posted_at := statement_timestamp();
    business_day := business_day_of(posted_at, (SELECT value::interval FROM setting WHERE name = 'business_day_cut_off'));

    IF (SELECT count(DISTINCT a.id) FROM unnest(p_account) AS a (id)) <> cardinality(p_account) THEN
        RAISE EXCEPTION 'two operations of one account in a round' USING ERRCODE = 'raise_exception';
    END IF;

    -- The accounts that are still as the facts said.
    posted := ARRAY(
        SELECT u.n::int
          FROM unnest(p_account, p_version) WITH ORDINALITY AS u (account_id, version, n)
          JOIN account AS a ON a.account_id = u.account_id AND a.version = u.version
         ORDER BY a.account_id
           FOR NO KEY UPDATE OF a SKIP LOCKED
    );

    -- The operations. An id that exists by now, on whatever account, is left as it is.
    INSERT INTO operation (operation_id, account_id, version, kind, verdict, reason, fingerprint, refers, terminal, clinic
                         , staff, cashier, event_at, posted_at, business_day, service_day, total, aid, visit, bill, invoice
                         , rulebooks, record, signature)
    SELECT u.operation_id, u.account_id, u.version + 1, u.kind::operation_kind, u.verdict::verdict, u.reason, u.fingerprint
         , u.refers, u.terminal, u.clinic, u.staff, u.cashier, u.event_at, post_round_v1.posted_at
         , post_round_v1.business_day, u.service_day, u.total, u.aid, u.visit, u.bill, u.invoice, u.rulebooks, u.record
         , u.signature
      FROM unnest(p_operation, p_account, p_version, p_kind, p_verdict, p_reason, p_fingerprint, p_refers, p_terminal
                , p_clinic, p_staff, p_cashier, p_event_at, p_service_day, p_total, p_aid, p_visit, p_bill, p_invoice
                , p_rulebooks, p_record, p_signature)
           WITH ORDINALITY AS u (operation_id, account_id, version, kind, verdict, reason, fingerprint, refers, terminal
                , clinic, staff, cashier, event_at, service_day, total, aid, visit, bill, invoice, rulebooks, record
                , signature, n)
     WHERE u.n = ANY (posted)
        ON CONFLICT (operation_id) DO NOTHING;
    GET DIAGNOSTICS inserted = ROW_COUNT;
    IF inserted < cardinality(posted) THEN
        posted := ARRAY(
            SELECT u.n::int
              FROM unnest(p_operation, p_account, p_version) WITH ORDINALITY AS u (operation_id, account_id, version, n)
              JOIN operation AS o ON o.operation_id = u.operation_id
             WHERE u.n = ANY (posted) AND o.account_id = u.account_id AND o.version = u.version + 1
        );
    END IF;

    -- The entries: the funds' sides as given, the clinic's side as what they leave, so that every entry sums to zero.
    IF cardinality(p_posting_of) > 0 THEN
        INSERT INTO posting (operation_id, line, account_id, ledger, amount, business_day)
        SELECT p_operation[e.n], row_number() OVER (PARTITION BY e.n ORDER BY e.place), p_account[e.n], e.ledger, e.amount
             , post_round_v1.business_day
          FROM (
                SELECT s.n, s.place, s.ledger, s.amount
                  FROM unnest(p_posting_of, p_posting_ledger, p_posting_amount)
                       WITH ORDINALITY AS s (n, ledger, amount, place)
                 UNION ALL
                SELECT s.n, 1000000, 'clinic:' || p_clinic[s.n] || ':payable', -sum(s.amount)::bigint
                  FROM unnest(p_posting_of, p_posting_amount) AS s (n, amount)
                 GROUP BY s.n
               ) AS e
         WHERE e.n = ANY (posted) AND e.amount <> 0;
    END IF;

    -- The balance after each movement is the last one's plus this one's, and the table's check holds the ceiling.
    IF cardinality(p_movement_of) > 0 THEN
        INSERT INTO movement (account_id, accumulator, version, operation_id, delta, used_after, ceiling, is_exception)
        SELECT p_account[m.n], m.accumulator, p_version[m.n] + 1, p_operation[m.n], m.delta
             , m.delta + coalesce((SELECT l.used_after FROM movement AS l
                                    WHERE l.account_id = p_account[m.n] AND l.accumulator = m.accumulator
                                    ORDER BY l.version DESC LIMIT 1), 0)
             , m.ceiling, m.is_exception
          FROM unnest(p_movement_of, p_movement_accumulator, p_movement_delta, p_movement_ceiling, p_movement_exception)
               AS m (n, accumulator, delta, ceiling, is_exception)
         WHERE m.n = ANY (posted);
    END IF;

    -- Taking back is no presence of the holder, nor is what a counter stopped.
    INSERT INTO activity (account_id, event_at, operation_id, is_presence, trace)
    SELECT u.account_id, u.event_at, u.operation_id
         , u.kind <> 'reversal' AND u.reason NOT IN ('COUNTER_REFUSED', 'CHECK_IDENTITY'), u.trace
      FROM unnest(p_account, p_event_at, p_operation, p_kind, p_reason, p_trace) WITH ORDINALITY
           AS u (account_id, event_at, operation_id, kind, reason, trace, n)
     WHERE u.n = ANY (posted) AND u.trace IS NOT NULL;

    IF cardinality(p_alert_of) > 0 THEN
        INSERT INTO alert (account_id, counter, subject, since, operation_id, clinic, period, value, threshold, action
                         , raised_at)
        SELECT p_account[h.n], h.counter, h.subject, h.since, p_operation[h.n], p_clinic[h.n], h.period, h.value
             , h.threshold, h.action, post_round_v1.posted_at
          FROM unnest(p_alert_of, p_alert_counter, p_alert_subject, p_alert_since, p_alert_period, p_alert_value
                    , p_alert_threshold, p_alert_action)
               AS h (n, counter, subject, since, period, value, threshold, action)
         WHERE h.n = ANY (posted)
            ON CONFLICT DO NOTHING;
    END IF;

    -- First let go, then take: a replacement does both with the same settlement.
    IF false = ANY (p_prior_taken) THEN
        UPDATE prior_settlement AS p SET standing = false
          FROM unnest(p_prior_of, p_prior_payer, p_prior_settlement, p_prior_taken) AS s (n, payer, settlement, taken)
         WHERE s.n = ANY (posted) AND NOT s.taken
           AND p.payer = s.payer AND p.settlement = s.settlement AND p.standing AND p.account_id = p_account[s.n];
    END IF;
    IF true = ANY (p_prior_taken) THEN
        INSERT INTO prior_settlement (operation_id, account_id, payer, settlement, standing)
        SELECT p_operation[s.n], p_account[s.n], s.payer, s.settlement, true
          FROM unnest(p_prior_of, p_prior_payer, p_prior_settlement, p_prior_taken) AS s (n, payer, settlement, taken)
         WHERE s.n = ANY (posted) AND s.taken;
    END IF;

    -- The rarer things an operation can do, one by one.
    IF cardinality(p_effect_of) > 0 THEN
        FOR n IN SELECT e.n FROM generate_subscripts(p_effect_of, 1) AS e (n) WHERE p_effect_of[e.n] = ANY (posted) LOOP
            PERFORM apply_effect_v1(p_account[p_effect_of[n]], p_version[p_effect_of[n]] + 1
                                  , p_operation[p_effect_of[n]], p_event_at[p_effect_of[n]], p_effect[n]);
        END LOOP;
    END IF;

    UPDATE account SET version = version + 1 WHERE account_id IN (SELECT p_account[i.n] FROM unnest(posted) AS i (n));
END
$$;

-- One of the rarer effects of an operation, by its name.
CREATE FUNCTION apply_effect_v1(p_account bigint, p_version bigint, p_operation uuid, p_event_at timestamptz, effect jsonb)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    CASE effect ->> 'effect'
    WHEN 'freeze_account' THEN
        UPDATE account SET frozen_until = (effect ->> 'until')::date, frozen_reason = effect ->> 'reason'
         WHERE account_id = p_account;
    WHEN 'freeze_card' THEN
        UPDATE card SET frozen_until = (effect ->> 'until')::date, frozen_reason = effect ->> 'reason'
         WHERE card_key = decode(effect ->> 'card_key', 'hex') AND account_id = p_account;
    WHEN 'entitle' THEN
        INSERT INTO entitlement (account_id, entitlement_id, category, district, starts, ends, confirmed_by)
        VALUES (p_account, p_operation, effect ->> 'category', effect ->> 'district', (effect ->> 'starts')::date
              , (effect ->> 'ends')::date, effect ->> 'confirmed_by');
    WHEN 'stop' THEN
        UPDATE entitlement SET ends = (effect ->> 'last_day')::date, stopped_by = p_operation
         WHERE account_id = p_account AND entitlement_id = (effect ->> 'entitlement')::uuid;
    WHEN 'admit' THEN
        INSERT INTO stay (account_id, clinic, stay, admitted)
        VALUES (p_account, effect ->> 'clinic', effect ->> 'stay', p_event_at);
    WHEN 'discharge' THEN
        UPDATE stay SET discharged = p_event_at
         WHERE account_id = p_account AND clinic = effect ->> 'clinic' AND stay = effect ->> 'stay';
    WHEN 'shortfall' THEN
        INSERT INTO shortfall (operation_id, account_id, owner, promised, exact, raised_at)
        VALUES (p_operation, p_account, effect ->> 'owner', (effect ->> 'promised')::bigint, (effect ->> 'exact')::bigint
              , statement_timestamp());
    WHEN 'tombstone' THEN
        -- Spends the id of a claim that was taken back before it arrived. It takes no version of its own.
        INSERT INTO operation (operation_id, account_id, version, kind, verdict, reason, fingerprint, refers, terminal, clinic
                             , staff, cashier, event_at, posted_at, business_day, total, aid, rulebooks, record, signature)
        SELECT o.refers, o.account_id, o.version, 'tombstone', 'declined', 'REVERSED_BEFORE_ARRIVAL', '', o.operation_id
             , o.terminal, o.clinic, o.staff, '', o.event_at, o.posted_at, o.business_day, 0, 0, o.rulebooks
             , '', ''
          FROM operation AS o WHERE o.operation_id = p_operation;
    END CASE;
END
$$;


-- Who may do what. The owner migrates and owns; the posting role serves clinics; the console role serves staff pages and
-- acts through the same verbs; readers read. Append-only means: nobody but the owner can change or delete.
GRANT USAGE ON SCHEMA :schema TO aidgate_posting, aidgate_console, aidgate_readonly;
GRANT SELECT ON ALL TABLES IN SCHEMA :schema TO aidgate_posting, aidgate_console, aidgate_readonly;
GRANT INSERT ON account, card, resident, clinic, terminal, operation, posting, ledger_account, movement, activity, alert
              , prior_settlement, entitlement, stay, shortfall, rulebook_set, rulebook_activation, security_event, setting
    TO aidgate_posting, aidgate_console;
GRANT UPDATE (version, frozen_until, frozen_reason, subject) ON account TO aidgate_posting, aidgate_console;
GRANT UPDATE (frozen_until, frozen_reason, account_id) ON card TO aidgate_posting, aidgate_console;
GRANT UPDATE (standing) ON prior_settlement TO aidgate_posting, aidgate_console;
GRANT UPDATE (ends, stopped_by) ON entitlement TO aidgate_posting, aidgate_console;
GRANT UPDATE (discharged) ON stay TO aidgate_posting, aidgate_console;
GRANT UPDATE (acknowledged_at, acknowledged_by) ON alert TO aidgate_console, aidgate_posting;
GRANT UPDATE (name, town, level, lat, lon) ON clinic TO aidgate_console, aidgate_posting;
GRANT USAGE ON SEQUENCE account_number TO aidgate_posting, aidgate_console;
