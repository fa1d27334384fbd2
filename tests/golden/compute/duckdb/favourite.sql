WITH "_most_frequent_buys_1_groups" AS (
  SELECT
    "customer_id",
    LOWER("word") AS "key",
    MIN("word") AS "value",
    COUNT(*) AS "number",
    MAX("at") AS "time"
  FROM "buying"
  WHERE
    "keep"
    AND NOT "word" IS NULL
    AND "at" >= CAST('2025-03-14 23:00:00.000000' AS TIMESTAMP)
    AND "at" < CAST('2026-03-15 12:00:00.000001' AS TIMESTAMP)
  GROUP BY
    "customer_id",
    LOWER("word")
), "_by_most_frequent_buys_1" AS (
  SELECT
    "customer_id",
    ARG_MIN("value", ROW(-"number", -EPOCH_US("time"), "key")) AS "most_frequent_buys_1"
  FROM "_most_frequent_buys_1_groups"
  GROUP BY
    "customer_id"
), "_base" AS (
  SELECT
    "customers"."customer_id",
    "customers"."email" AS "f_email",
    "customers"."consent_email" AS "f_consent_email",
    "customers"."consent_email_basis" AS "f_consent_email_basis",
    "_by_most_frequent_buys_1"."most_frequent_buys_1" AS "most_frequent_buys_1"
  FROM "customers"
  LEFT JOIN "_by_most_frequent_buys_1"
    ON "customers"."customer_id" = "_by_most_frequent_buys_1"."customer_id"
), "_step_1" AS (
  SELECT
    "customer_id",
    "f_email",
    "f_consent_email",
    "f_consent_email_basis",
    COALESCE(TRUE AND NOT "f_email" IS NULL, FALSE) AS "reachable_email",
    COALESCE(LOWER("most_frequent_buys_1") = 'shoes', FALSE) AS "segment_favourite"
  FROM "_base"
)
SELECT
  "customer_id",
  "f_email" AS "email",
  "f_consent_email" AS "consent_email",
  "f_consent_email_basis" AS "basis",
  "reachable_email" AS "reachable_email",
  "segment_favourite" AS "segment:favourite"
FROM "_step_1"
ORDER BY
  "customer_id"
