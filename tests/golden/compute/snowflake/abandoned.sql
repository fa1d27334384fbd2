WITH "_by_customer_looking" AS (
  SELECT
    "customer_id",
    MAX("at") AS "max_looks_1"
  FROM "looking"
  WHERE
    "at" >= CAST('2026-03-14 12:00:00.000000' AS TIMESTAMPNTZ)
    AND "at" < CAST('2026-03-15 12:00:00.000001' AS TIMESTAMPNTZ)
  GROUP BY
    "customer_id"
), "_by_customer_buying" AS (
  SELECT
    "customer_id",
    MAX("at") AS "max_buys_2"
  FROM "buying"
  WHERE
    "keep" AND "at" < CAST('2026-03-15 12:00:00.000001' AS TIMESTAMPNTZ)
  GROUP BY
    "customer_id"
), "_base" AS (
  SELECT
    "customers"."customer_id",
    "customers"."email" AS "f_email",
    "customers"."consent_email" AS "f_consent_email",
    "customers"."consent_email_basis" AS "f_consent_email_basis",
    "_by_customer_looking"."max_looks_1" AS "max_looks_1",
    "_by_customer_buying"."max_buys_2" AS "max_buys_2"
  FROM "customers"
  LEFT JOIN "_by_customer_looking"
    ON "customers"."customer_id" = "_by_customer_looking"."customer_id"
  LEFT JOIN "_by_customer_buying"
    ON "customers"."customer_id" = "_by_customer_buying"."customer_id"
), "_step_1" AS (
  SELECT
    "customer_id",
    "f_email",
    "f_consent_email",
    "f_consent_email_basis",
    COALESCE(TRUE AND NOT "f_email" IS NULL, FALSE) AS "reachable_email",
    COALESCE(
      NOT "max_looks_1" IS NULL
      AND (
        "max_buys_2" IS NULL OR "max_buys_2" < "max_looks_1"
      ),
      FALSE
    ) AS "segment_abandoned"
  FROM "_base"
)
SELECT
  "customer_id",
  "f_email" AS "email",
  "f_consent_email" AS "consent_email",
  "f_consent_email_basis" AS "basis",
  "reachable_email" AS "reachable_email",
  "segment_abandoned" AS "segment:abandoned"
FROM "_step_1"
ORDER BY
  "customer_id"
