-- A ledger of schema version 2 with rows of every table, as version 2's own tables wrote it.
CREATE TABLE accounts (
    destination text NOT NULL,
    account text NOT NULL,
    name text NOT NULL,
    connector text NOT NULL
);
CREATE TABLE approvals (
    plan text NOT NULL,
    destination text NOT NULL,
    by text NOT NULL,
    at timestamp without time zone NOT NULL
);
CREATE TABLE codes (
    code_id text NOT NULL,
    offer text NOT NULL,
    code text NOT NULL,
    state text NOT NULL,
    customer_id text,
    destination text,
    value text,
    minimum text,
    order_id text,
    issued_at timestamp without time zone NOT NULL,
    exported_at timestamp without time zone,
    confirmed_at timestamp without time zone,
    pushed_at timestamp without time zone,
    redeemed_at timestamp without time zone,
    expires_at timestamp without time zone,
    expired_at timestamp without time zone,
    cleared_at timestamp without time zone,
    CONSTRAINT a_code_is_a_persons_or_a_pools CHECK (((customer_id IS NULL) <> (destination IS NULL)))
);
CREATE TABLE contacts (
    destination text NOT NULL,
    address text NOT NULL,
    customer_id text NOT NULL,
    ref text,
    state text NOT NULL,
    members bytea NOT NULL,
    foreign_members bytea,
    fields text NOT NULL
);
CREATE TABLE cursors (
    destination text NOT NULL,
    stream text NOT NULL,
    cursor text NOT NULL,
    at timestamp without time zone
);
CREATE TABLE holders (
    name text NOT NULL,
    who text NOT NULL,
    host text NOT NULL,
    pid integer NOT NULL,
    since timestamp without time zone NOT NULL
);
CREATE TABLE meta (
    key text NOT NULL,
    value text NOT NULL
);
CREATE TABLE pushes (
    plan text NOT NULL,
    base_version bigint NOT NULL,
    last_version bigint NOT NULL
);
CREATE TABLE rejections (
    destination text NOT NULL,
    content_hash text NOT NULL,
    kind text NOT NULL,
    target text NOT NULL,
    customer_id text NOT NULL,
    address text NOT NULL,
    connector_version text NOT NULL,
    reason text NOT NULL,
    words text,
    not_before timestamp without time zone,
    at timestamp without time zone NOT NULL
);
CREATE TABLE runs (
    id integer NOT NULL,
    command text NOT NULL,
    started_at timestamp without time zone NOT NULL,
    now timestamp without time zone NOT NULL,
    config_hash text NOT NULL,
    fingerprint text,
    newest timestamp without time zone,
    rows bigint,
    summary text NOT NULL,
    exit integer
);
CREATE SEQUENCE runs_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE runs_id_seq OWNED BY runs.id;
CREATE TABLE sending (
    destination text NOT NULL,
    change_id text NOT NULL,
    content_hash text NOT NULL,
    kind text NOT NULL,
    target_kind text NOT NULL,
    target text NOT NULL,
    customer_id text NOT NULL,
    address text NOT NULL,
    payload text NOT NULL,
    state text NOT NULL,
    job text,
    started_at timestamp without time zone NOT NULL,
    plan text
);
CREATE TABLE suppressions (
    destination text NOT NULL,
    address text NOT NULL,
    customer_id text,
    "left" text NOT NULL,
    at timestamp without time zone,
    first_seen timestamp without time zone NOT NULL,
    origin text NOT NULL
);
CREATE TABLE targets (
    destination text NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    title text NOT NULL,
    value text,
    "position" integer NOT NULL,
    ref text,
    is_owned boolean NOT NULL
);
ALTER TABLE ONLY runs ALTER COLUMN id SET DEFAULT nextval('runs_id_seq'::regclass);
INSERT INTO accounts VALUES ('newsletter', 'acc-1', 'Maison Lin', 'mailchimp');
INSERT INTO approvals VALUES ('p1', 'newsletter', 'Camille', '2026-11-20 08:30:15.25');
INSERT INTO codes VALUES ('k1', 'thanks', 'THANKS1', 'reserved', 'c1', NULL, '10 %', '30 €', NULL, '2026-11-20 08:30:15.25', NULL, NULL, NULL, NULL, '2026-12-20 08:30:15.25', NULL, NULL);
INSERT INTO codes VALUES ('k2', 'thanks', 'THANKS2', 'exported', 'c2', NULL, '10 %', '30 €', NULL, '2026-11-20 08:30:15.25', '2026-11-20 09:30:15.25', NULL, NULL, NULL, '2026-12-20 08:30:15.25', NULL, NULL);
INSERT INTO codes VALUES ('k3', 'thanks', 'THANKS3', 'confirmed', 'c3', NULL, '10 %', '30 €', NULL, '2026-11-20 08:30:15.25', '2026-11-20 09:30:15.25', '2026-11-20 10:30:15.25', NULL, NULL, '2026-12-20 08:30:15.25', NULL, NULL);
INSERT INTO codes VALUES ('k4', 'thanks', 'THANKS4', 'pushed', 'c4', NULL, '10 %', '30 €', NULL, '2026-11-20 08:30:15.25', NULL, '2026-11-20 10:30:15.25', '2026-11-20 11:30:15.25', NULL, '2026-12-20 08:30:15.25', NULL, NULL);
INSERT INTO codes VALUES ('k5', 'thanks', 'THANKS5', 'redeemed', 'c5', NULL, '10 %', '30 €', 'o''5', '2026-11-20 08:30:15.25', NULL, NULL, '2026-11-20 11:30:15.25', '2026-11-20 17:30:15.25', '2026-12-20 08:30:15.25', NULL, NULL);
INSERT INTO codes VALUES ('k6', 'thanks', 'THANKS6', 'expired', 'c6', NULL, '10 %', '30 €', NULL, '2026-11-20 08:30:15.25', NULL, NULL, NULL, NULL, '2026-12-20 08:30:15.25', '2026-12-20 09:30:15.25', NULL);
INSERT INTO codes VALUES ('k7', 'thanks', 'THANKS7', 'cleared', 'c7', NULL, '10 %', '30 €', NULL, '2026-11-20 08:30:15.25', NULL, NULL, NULL, NULL, '2026-12-20 08:30:15.25', '2026-12-20 09:30:15.25', '2026-12-20 10:30:15.25');
INSERT INTO codes VALUES ('k8', 'thanks', 'THANKS8', 'expired', 'c1', NULL, NULL, NULL, NULL, '2026-11-20 08:30:15.25', NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO codes VALUES ('k9', 'till', 'THANKS9', 'pushed', NULL, 'flows', '10 %', '30 €', NULL, '2026-11-20 08:30:15.25', NULL, NULL, '2026-11-20 11:30:15.25', NULL, '2026-12-20 08:30:15.25', NULL, NULL);
INSERT INTO codes VALUES ('k10', 'till', 'THANKS10', 'reserved', NULL, 'flows', '10 %', '30 €', NULL, '2026-11-20 08:30:15.25', NULL, NULL, NULL, NULL, '2026-12-20 08:30:15.25', NULL, NULL);
INSERT INTO contacts VALUES ('newsletter', 'c1@example.com', 'c1', 'm1', 'acknowledged', '\x03', NULL, '"Zoé"12.5');
INSERT INTO contacts VALUES ('newsletter', 'c2@example.com', 'c2', NULL, 'found', '\x01', '\x02', '7');
INSERT INTO contacts VALUES ('newsletter', 'c3@example.com', 'c3', 'm3', 'left', '\x', NULL, '');
INSERT INTO contacts VALUES ('flows', 'o''hara@example.com', 'c4', '01H', 'acknowledged', '\x000000000000000001', NULL, '"a \"quote\", a \n line"');
INSERT INTO cursors VALUES ('newsletter', 'events', '{"page": 7}', '2026-11-20 08:30:15.25');
INSERT INTO cursors VALUES ('flows', 'suppressions', 'x', NULL);
INSERT INTO holders VALUES ('run', 'run', 'old-host', 4711, '2026-11-20 08:30:15.25');
INSERT INTO meta VALUES ('schema_version', '2');
INSERT INTO meta VALUES ('version', '41');
INSERT INTO pushes VALUES ('p1', 40, 41);
INSERT INTO rejections VALUES ('newsletter', 'ab', 'AddContact', 'contacts', 'c8', 'c8@example.com', '1', 'invalid_address', 'it''s no address', NULL, '2026-11-20 08:30:15.25');
INSERT INTO rejections VALUES ('newsletter', 'cd', 'SetTraits', 'contacts', 'c9', 'c9@example.com', '1', 'try_later', NULL, '2026-11-20 09:30:15.25', '2026-11-20 08:30:15.25');
INSERT INTO runs VALUES (1, 'run', '2026-11-20 08:30:15.25', '2026-11-20 08:30:15.25', 'h1', 'f1', '2026-11-20 07:30:15.25', 3000000000, '{"sizes": {"loyal": 12}}', 0);
INSERT INTO runs VALUES (2, 'push', '2026-11-20 09:30:15.25', '2026-11-20 09:30:15.25', 'h1', NULL, NULL, NULL, '{}', NULL);
INSERT INTO sending VALUES ('newsletter', '000000000000000000000001', '00000000000000000000000000000001', 'AddContact', 'contacts', 'contacts', 'c1', 'c1@example.com', 'subscribedspentfirst_name"Zoé"spent12.5', 'sending', NULL, '2026-11-20 08:30:15.25', 'p1');
INSERT INTO sending VALUES ('newsletter', '000000000000000000000002', '00000000000000000000000000000002', 'AddContact', 'contacts', 'contacts', 'c2', 'c2@example.com', 'subscribed', 'sending', NULL, '2026-11-20 08:30:15.25', 'p1');
INSERT INTO sending VALUES ('newsletter', '000000000000000000000003', '00000000000000000000000000000003', 'SetTraits', 'contacts', 'contacts', 'c3', 'c3@example.com', 'first_name"O''Hara"', 'pending', 'job-1', '2026-11-20 08:30:15.25', 'p1');
INSERT INTO sending VALUES ('newsletter', '000000000000000000000004', '00000000000000000000000000000004', 'SetTraits', 'contacts', 'contacts', 'c4', 'c4@example.com', 'spent0', 'pending', 'job-2', '2026-11-20 08:30:15.25', 'p1');
INSERT INTO sending VALUES ('newsletter', '000000000000000000000005', '00000000000000000000000000000005', 'AddMember', 'segment', 'loyal', 'c5', 'c5@example.com', '', 'sending', NULL, '2026-11-20 08:30:15.25', 'p1');
INSERT INTO sending VALUES ('newsletter', '000000000000000000000006', '00000000000000000000000000000006', 'RemoveMember', 'segment', 'tea', 'c6', 'c6@example.com', '', 'sending', NULL, '2026-11-20 08:30:15.25', NULL);
INSERT INTO sending VALUES ('newsletter', '000000000000000000000007', '00000000000000000000000000000007', 'Suppress', 'contacts', 'contacts', 'c7', 'c7@example.com', '', 'sending', NULL, '2026-11-20 08:30:15.25', 'p1');
INSERT INTO sending VALUES ('flows', '999999999999999999999999', '99999999999999999999999999999999', 'AddCode', 'pool', 'till', '', 'k10', 'code"THANKS10"', 'sending', NULL, '2026-11-20 08:30:15.25', 'p2');
INSERT INTO suppressions VALUES ('newsletter', 'c5@example.com', 'c5', 'complaint', '2026-11-20 07:30:15.25', '2026-11-20 08:30:15.25', 'provider');
INSERT INTO suppressions VALUES ('newsletter', 'nobody@example.com', NULL, 'unsubscribed', NULL, '2026-11-20 08:30:15.25', 'ours');
INSERT INTO targets VALUES ('newsletter', 'segment', 'loyal', 'maison-lin Clients fidèles', NULL, 0, 'r1', true);
INSERT INTO targets VALUES ('newsletter', 'segment', 'tea', 'maison-lin L''heure du thé', NULL, 1, NULL, false);
INSERT INTO targets VALUES ('newsletter', 'field', 'first_name', 'FNAME', 'text', 0, 'FNAME', false);
INSERT INTO targets VALUES ('newsletter', 'field', 'spent', 'SPENT', 'number', 1, 'SPENT', true);
INSERT INTO targets VALUES ('flows', 'pool', 'till', 'maison-lin-till', NULL, 0, 'pool-1', true);
SELECT pg_catalog.setval('runs_id_seq', 2, true);
ALTER TABLE ONLY accounts
    ADD CONSTRAINT accounts_pkey PRIMARY KEY (destination);
ALTER TABLE ONLY approvals
    ADD CONSTRAINT approvals_pkey PRIMARY KEY (plan, destination);
ALTER TABLE ONLY codes
    ADD CONSTRAINT codes_code_key UNIQUE (code);
ALTER TABLE ONLY codes
    ADD CONSTRAINT codes_pkey PRIMARY KEY (code_id);
ALTER TABLE ONLY contacts
    ADD CONSTRAINT contacts_pkey PRIMARY KEY (destination, address);
ALTER TABLE ONLY cursors
    ADD CONSTRAINT cursors_pkey PRIMARY KEY (destination, stream);
ALTER TABLE ONLY holders
    ADD CONSTRAINT holders_pkey PRIMARY KEY (name);
ALTER TABLE ONLY meta
    ADD CONSTRAINT meta_pkey PRIMARY KEY (key);
ALTER TABLE ONLY pushes
    ADD CONSTRAINT pushes_pkey PRIMARY KEY (plan);
ALTER TABLE ONLY rejections
    ADD CONSTRAINT rejections_pkey PRIMARY KEY (destination, content_hash);
ALTER TABLE ONLY runs
    ADD CONSTRAINT runs_pkey PRIMARY KEY (id);
ALTER TABLE ONLY sending
    ADD CONSTRAINT sending_pkey PRIMARY KEY (destination, change_id);
ALTER TABLE ONLY suppressions
    ADD CONSTRAINT suppressions_pkey PRIMARY KEY (destination, address);
ALTER TABLE ONLY targets
    ADD CONSTRAINT targets_destination_kind_position_key UNIQUE (destination, kind, "position");
ALTER TABLE ONLY targets
    ADD CONSTRAINT targets_pkey PRIMARY KEY (destination, kind, name);
CREATE INDEX contacts_by_customer ON contacts USING btree (destination, customer_id);
CREATE UNIQUE INDEX one_live_code ON codes USING btree (offer, customer_id) WHERE (state = ANY (ARRAY['reserved'::text, 'exported'::text, 'confirmed'::text, 'pushed'::text]));
CREATE INDEX suppressions_by_customer ON suppressions USING btree (customer_id);
