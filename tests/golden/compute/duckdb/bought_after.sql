WITH "_then_buys_1_rows" AS (
  SELECT
    "customer_id",
    0 AS "key",
    "at" AS "at",
    1 AS "is_a",
    0 AS "is_b"
  FROM "looking"
  WHERE
    LOWER("word") = 'nike'
    AND "at" >= CAST('2026-02-12 23:00:00.000000' AS TIMESTAMP)
    AND "at" < CAST('2026-03-15 12:00:00.000001' AS TIMESTAMP)
  UNION ALL
  SELECT
    "customer_id",
    0 AS "key",
    "at" AS "at",
    0 AS "is_a",
    1 AS "is_b"
  FROM "buying"
  WHERE
    "keep"
    AND "at" >= CAST('2026-02-12 23:00:00.000000' AS TIMESTAMP)
    AND "at" < CAST('2026-03-15 12:00:00.000001' AS TIMESTAMP)
), "_then_buys_1_instants" AS (
  SELECT
    "customer_id",
    "key",
    "at",
    MAX("is_a") AS "is_a",
    MAX("is_b") AS "is_b"
  FROM "_then_buys_1_rows"
  GROUP BY
    "customer_id",
    "key",
    "at"
), "_then_buys_1_pairs" AS (
  SELECT
    "customer_id",
    "at",
    "is_a",
    MIN(CASE WHEN "is_b" = 1 THEN "at" END) OVER (
      PARTITION BY "customer_id", "key"
      ORDER BY "at"
      ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING
    ) AS "answered_at"
  FROM "_then_buys_1_instants"
), "_by_then_buys_1" AS (
  SELECT
    "customer_id",
    MAX(
      CASE
        WHEN "is_a" = 1 AND "answered_at" <= (
          "at" + TO_SECONDS(259200)
        )
        THEN 1
        ELSE 0
      END
    ) AS "then_buys_1"
  FROM "_then_buys_1_pairs"
  GROUP BY
    "customer_id"
), "_base" AS (
  SELECT
    "customers"."customer_id",
    "customers"."email" AS "f_email",
    "customers"."consent_email" AS "f_consent_email",
    "customers"."consent_email_basis" AS "f_consent_email_basis",
    COALESCE("_by_then_buys_1"."then_buys_1", 0) AS "then_buys_1"
  FROM "customers"
  LEFT JOIN "_by_then_buys_1"
    ON "customers"."customer_id" = "_by_then_buys_1"."customer_id"
), "_step_1" AS (
  SELECT
    "customer_id",
    "f_email",
    "f_consent_email",
    "f_consent_email_basis",
    COALESCE(TRUE AND NOT "f_email" IS NULL, FALSE) AS "reachable_email",
    COALESCE("then_buys_1" = 1, FALSE) AS "segment_bought_after"
  FROM "_base"
)
SELECT
  "customer_id",
  "f_email" AS "email",
  "f_consent_email" AS "consent_email",
  "f_consent_email_basis" AS "basis",
  "reachable_email" AS "reachable_email",
  "segment_bought_after" AS "segment:bought_after"
FROM "_step_1"
ORDER BY
  "customer_id"
