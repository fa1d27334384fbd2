WITH "by_customer_buying" AS (
  SELECT
    "customer_id" AS "customer_id",
    MAX("at") AS "max_buys_1",
    SUM(CASE WHEN NOT "m" IS NULL THEN "m" END) AS "sum_buys_3",
    COUNT(*) AS "count_buys_4"
  FROM "buying"
  WHERE
    "keep" AND "at" < CAST('2026-03-15 12:00:00.000001' AS TIMESTAMP)
  GROUP BY
    "customer_id"
), "base" AS (
  SELECT
    "customers"."customer_id",
    "customers"."email" AS "f_email",
    "customers"."consent_email" AS "f_consent_email",
    "customers"."consent_email_basis" AS "f_consent_email_basis",
    "by_customer_buying"."max_buys_1" AS "max_buys_1",
    COALESCE("by_customer_buying"."sum_buys_3", 0) AS "sum_buys_3",
    COALESCE("by_customer_buying"."count_buys_4", 0) AS "count_buys_4"
  FROM "customers"
  LEFT JOIN "by_customer_buying"
    ON "customers"."customer_id" = "by_customer_buying"."customer_id"
), "step_1" AS (
  SELECT
    *,
    COALESCE(TRUE AND NOT "f_email" IS NULL, FALSE) AS "reachable_email",
    CASE
      WHEN NOT "max_buys_1" IS NULL
      THEN DIVIDE(
        (
          5 * COUNT(*) OVER (PARTITION BY "max_buys_1" IS NULL ORDER BY "max_buys_1" ASC) + COUNT(*) OVER (PARTITION BY "max_buys_1" IS NULL) - 1
        ),
        COUNT(*) OVER (PARTITION BY "max_buys_1" IS NULL)
      )
    END AS "rank_2",
    CASE WHEN "count_buys_4" > 0 THEN "sum_buys_3" END AS "value_5"
  FROM "base"
), "step_2" AS (
  SELECT
    *,
    COALESCE(
      NOT "value_5" IS NULL
      AND (
        RANK() OVER (PARTITION BY "value_5" IS NULL ORDER BY "value_5" DESC) - 1
      ) * 100 < 10 * COUNT(*) OVER (PARTITION BY "value_5" IS NULL),
      FALSE
    ) AS "top_6"
  FROM "step_1"
), "step_3" AS (
  SELECT
    *,
    COALESCE("rank_2" >= 4 AND "top_6", FALSE) AS "segment_champions"
  FROM "step_2"
)
SELECT
  "customer_id",
  "f_email" AS "email",
  "f_consent_email" AS "consent_email",
  "f_consent_email_basis" AS "basis",
  "reachable_email" AS "reachable_email",
  "segment_champions" AS "segment:champions"
FROM "step_3"
ORDER BY
  "customer_id"
