-- A ledger of schema version 2 with rows of every table, as version 2's own tables wrote it.
BEGIN TRANSACTION;
CREATE TABLE accounts (
	destination TEXT NOT NULL, 
	account TEXT NOT NULL, 
	name TEXT NOT NULL, 
	connector TEXT NOT NULL, 
	PRIMARY KEY (destination)
);
INSERT INTO "accounts" VALUES('newsletter','acc-1','Maison Lin','mailchimp');
CREATE TABLE approvals (
	"plan" TEXT NOT NULL, 
	destination TEXT NOT NULL, 
	"by" TEXT NOT NULL, 
	at DATETIME NOT NULL, 
	PRIMARY KEY ("plan", destination)
);
INSERT INTO "approvals" VALUES('p1','newsletter','Camille','2026-11-20 08:30:15.250000');
CREATE TABLE codes (
	code_id TEXT NOT NULL, 
	offer TEXT NOT NULL, 
	code TEXT NOT NULL, 
	state TEXT NOT NULL, 
	customer_id TEXT, 
	destination TEXT, 
	value TEXT, 
	minimum TEXT, 
	order_id TEXT, 
	issued_at DATETIME NOT NULL, 
	exported_at DATETIME, 
	confirmed_at DATETIME, 
	pushed_at DATETIME, 
	redeemed_at DATETIME, 
	expires_at DATETIME, 
	expired_at DATETIME, 
	cleared_at DATETIME, 
	PRIMARY KEY (code_id), 
	UNIQUE (code), 
	CONSTRAINT a_code_is_a_persons_or_a_pools CHECK ((customer_id IS NULL) <> (destination IS NULL))
);
INSERT INTO "codes" VALUES('k1','thanks','THANKS1','reserved','c1',NULL,'10 %','30 €',NULL,'2026-11-20 08:30:15.250000',NULL,NULL,NULL,NULL,'2026-12-20 08:30:15.250000',NULL,NULL);
INSERT INTO "codes" VALUES('k2','thanks','THANKS2','exported','c2',NULL,'10 %','30 €',NULL,'2026-11-20 08:30:15.250000','2026-11-20 09:30:15.250000',NULL,NULL,NULL,'2026-12-20 08:30:15.250000',NULL,NULL);
INSERT INTO "codes" VALUES('k3','thanks','THANKS3','confirmed','c3',NULL,'10 %','30 €',NULL,'2026-11-20 08:30:15.250000','2026-11-20 09:30:15.250000','2026-11-20 10:30:15.250000',NULL,NULL,'2026-12-20 08:30:15.250000',NULL,NULL);
INSERT INTO "codes" VALUES('k4','thanks','THANKS4','pushed','c4',NULL,'10 %','30 €',NULL,'2026-11-20 08:30:15.250000',NULL,'2026-11-20 10:30:15.250000','2026-11-20 11:30:15.250000',NULL,'2026-12-20 08:30:15.250000',NULL,NULL);
INSERT INTO "codes" VALUES('k5','thanks','THANKS5','redeemed','c5',NULL,'10 %','30 €','o''5','2026-11-20 08:30:15.250000',NULL,NULL,'2026-11-20 11:30:15.250000','2026-11-20 17:30:15.250000','2026-12-20 08:30:15.250000',NULL,NULL);
INSERT INTO "codes" VALUES('k6','thanks','THANKS6','expired','c6',NULL,'10 %','30 €',NULL,'2026-11-20 08:30:15.250000',NULL,NULL,NULL,NULL,'2026-12-20 08:30:15.250000','2026-12-20 09:30:15.250000',NULL);
INSERT INTO "codes" VALUES('k7','thanks','THANKS7','cleared','c7',NULL,'10 %','30 €',NULL,'2026-11-20 08:30:15.250000',NULL,NULL,NULL,NULL,'2026-12-20 08:30:15.250000','2026-12-20 09:30:15.250000','2026-12-20 10:30:15.250000');
INSERT INTO "codes" VALUES('k8','thanks','THANKS8','expired','c1',NULL,NULL,NULL,NULL,'2026-11-20 08:30:15.250000',NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "codes" VALUES('k9','till','THANKS9','pushed',NULL,'flows','10 %','30 €',NULL,'2026-11-20 08:30:15.250000',NULL,NULL,'2026-11-20 11:30:15.250000',NULL,'2026-12-20 08:30:15.250000',NULL,NULL);
INSERT INTO "codes" VALUES('k10','till','THANKS10','reserved',NULL,'flows','10 %','30 €',NULL,'2026-11-20 08:30:15.250000',NULL,NULL,NULL,NULL,'2026-12-20 08:30:15.250000',NULL,NULL);
CREATE TABLE contacts (
	destination TEXT NOT NULL, 
	address TEXT NOT NULL, 
	customer_id TEXT NOT NULL, 
	ref TEXT, 
	state TEXT NOT NULL, 
	members BLOB NOT NULL, 
	foreign_members BLOB, 
	fields TEXT NOT NULL, 
	PRIMARY KEY (destination, address)
)
 WITHOUT ROWID

;
INSERT INTO "contacts" VALUES('flows','o''hara@example.com','c4','01H','acknowledged',X'000000000000000001',NULL,'"a \"quote\", a \n line"');
INSERT INTO "contacts" VALUES('newsletter','c1@example.com','c1','m1','acknowledged',X'03',NULL,'"Zoé"12.5');
INSERT INTO "contacts" VALUES('newsletter','c2@example.com','c2',NULL,'found',X'01',X'02','7');
INSERT INTO "contacts" VALUES('newsletter','c3@example.com','c3','m3','left',X'',NULL,'');
CREATE TABLE cursors (
	destination TEXT NOT NULL, 
	stream TEXT NOT NULL, 
	cursor TEXT NOT NULL, 
	at DATETIME, 
	PRIMARY KEY (destination, stream)
);
INSERT INTO "cursors" VALUES('newsletter','events','{"page": 7}','2026-11-20 08:30:15.250000');
INSERT INTO "cursors" VALUES('flows','suppressions','x',NULL);
CREATE TABLE holders (
	name TEXT NOT NULL, 
	who TEXT NOT NULL, 
	host TEXT NOT NULL, 
	pid INTEGER NOT NULL, 
	since DATETIME NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "holders" VALUES('run','run','old-host',4711,'2026-11-20 08:30:15.250000');
CREATE TABLE meta (
	"key" TEXT NOT NULL, 
	value TEXT NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO "meta" VALUES('schema_version','2');
INSERT INTO "meta" VALUES('version','41');
CREATE TABLE pushes (
	"plan" TEXT NOT NULL, 
	base_version BIGINT NOT NULL, 
	last_version BIGINT NOT NULL, 
	PRIMARY KEY ("plan")
);
INSERT INTO "pushes" VALUES('p1',40,41);
CREATE TABLE rejections (
	destination TEXT NOT NULL, 
	content_hash TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	target TEXT NOT NULL, 
	customer_id TEXT NOT NULL, 
	address TEXT NOT NULL, 
	connector_version TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	words TEXT, 
	not_before DATETIME, 
	at DATETIME NOT NULL, 
	PRIMARY KEY (destination, content_hash)
)
 WITHOUT ROWID

;
INSERT INTO "rejections" VALUES('newsletter','ab','AddContact','contacts','c8','c8@example.com','1','invalid_address','it''s no address',NULL,'2026-11-20 08:30:15.250000');
INSERT INTO "rejections" VALUES('newsletter','cd','SetTraits','contacts','c9','c9@example.com','1','try_later',NULL,'2026-11-20 09:30:15.250000','2026-11-20 08:30:15.250000');
CREATE TABLE runs (
	id INTEGER NOT NULL, 
	command TEXT NOT NULL, 
	started_at DATETIME NOT NULL, 
	now DATETIME NOT NULL, 
	config_hash TEXT NOT NULL, 
	fingerprint TEXT, 
	newest DATETIME, 
	rows BIGINT, 
	summary TEXT NOT NULL, 
	exit INTEGER, 
	PRIMARY KEY (id)
);
INSERT INTO "runs" VALUES(1,'run','2026-11-20 08:30:15.250000','2026-11-20 08:30:15.250000','h1','f1','2026-11-20 07:30:15.250000',3000000000,'{"sizes": {"loyal": 12}}',0);
INSERT INTO "runs" VALUES(2,'push','2026-11-20 09:30:15.250000','2026-11-20 09:30:15.250000','h1',NULL,NULL,NULL,'{}',NULL);
CREATE TABLE sending (
	destination TEXT NOT NULL, 
	change_id TEXT NOT NULL, 
	content_hash TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	target_kind TEXT NOT NULL, 
	target TEXT NOT NULL, 
	customer_id TEXT NOT NULL, 
	address TEXT NOT NULL, 
	payload TEXT NOT NULL, 
	state TEXT NOT NULL, 
	job TEXT, 
	started_at DATETIME NOT NULL, 
	"plan" TEXT, 
	PRIMARY KEY (destination, change_id)
)
 WITHOUT ROWID

;
INSERT INTO "sending" VALUES('flows','999999999999999999999999','99999999999999999999999999999999','AddCode','pool','till','','k10','code"THANKS10"','sending',NULL,'2026-11-20 08:30:15.250000','p2');
INSERT INTO "sending" VALUES('newsletter','000000000000000000000001','00000000000000000000000000000001','AddContact','contacts','contacts','c1','c1@example.com','subscribedspentfirst_name"Zoé"spent12.5','sending',NULL,'2026-11-20 08:30:15.250000','p1');
INSERT INTO "sending" VALUES('newsletter','000000000000000000000002','00000000000000000000000000000002','AddContact','contacts','contacts','c2','c2@example.com','subscribed','sending',NULL,'2026-11-20 08:30:15.250000','p1');
INSERT INTO "sending" VALUES('newsletter','000000000000000000000003','00000000000000000000000000000003','SetTraits','contacts','contacts','c3','c3@example.com','first_name"O''Hara"','pending','job-1','2026-11-20 08:30:15.250000','p1');
INSERT INTO "sending" VALUES('newsletter','000000000000000000000004','00000000000000000000000000000004','SetTraits','contacts','contacts','c4','c4@example.com','spent0','pending','job-2','2026-11-20 08:30:15.250000','p1');
INSERT INTO "sending" VALUES('newsletter','000000000000000000000005','00000000000000000000000000000005','AddMember','segment','loyal','c5','c5@example.com','','sending',NULL,'2026-11-20 08:30:15.250000','p1');
INSERT INTO "sending" VALUES('newsletter','000000000000000000000006','00000000000000000000000000000006','RemoveMember','segment','tea','c6','c6@example.com','','sending',NULL,'2026-11-20 08:30:15.250000',NULL);
INSERT INTO "sending" VALUES('newsletter','000000000000000000000007','00000000000000000000000000000007','Suppress','contacts','contacts','c7','c7@example.com','','sending',NULL,'2026-11-20 08:30:15.250000','p1');
CREATE TABLE suppressions (
	destination TEXT NOT NULL, 
	address TEXT NOT NULL, 
	customer_id TEXT, 
	"left" TEXT NOT NULL, 
	at DATETIME, 
	first_seen DATETIME NOT NULL, 
	origin TEXT NOT NULL, 
	PRIMARY KEY (destination, address)
)
 WITHOUT ROWID

;
INSERT INTO "suppressions" VALUES('newsletter','c5@example.com','c5','complaint','2026-11-20 07:30:15.250000','2026-11-20 08:30:15.250000','provider');
INSERT INTO "suppressions" VALUES('newsletter','nobody@example.com',NULL,'unsubscribed',NULL,'2026-11-20 08:30:15.250000','ours');
CREATE TABLE targets (
	destination TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	name TEXT NOT NULL, 
	title TEXT NOT NULL, 
	value TEXT, 
	position INTEGER NOT NULL, 
	ref TEXT, 
	is_owned BOOLEAN NOT NULL, 
	PRIMARY KEY (destination, kind, name), 
	UNIQUE (destination, kind, position)
);
INSERT INTO "targets" VALUES('newsletter','segment','loyal','maison-lin Clients fidèles',NULL,0,'r1',1);
INSERT INTO "targets" VALUES('newsletter','segment','tea','maison-lin L''heure du thé',NULL,1,NULL,0);
INSERT INTO "targets" VALUES('newsletter','field','first_name','FNAME','text',0,'FNAME',0);
INSERT INTO "targets" VALUES('newsletter','field','spent','SPENT','number',1,'SPENT',1);
INSERT INTO "targets" VALUES('flows','pool','till','maison-lin-till',NULL,0,'pool-1',1);
CREATE INDEX contacts_by_customer ON contacts (destination, customer_id);
CREATE INDEX suppressions_by_customer ON suppressions (customer_id);
CREATE UNIQUE INDEX one_live_code ON codes (offer, customer_id) WHERE state IN ('reserved', 'exported', 'confirmed', 'pushed');
COMMIT;
