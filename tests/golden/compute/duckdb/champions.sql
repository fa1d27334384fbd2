WITH "_by_customer_buying" AS (
  SELECT
    "customer_id",
    MAX("at") AS "max_buys_2",
    SUM("m") AS "sum_buys_4",
    COUNT(*) AS "count_buys_5"
  FROM "buying"
  WHERE
    "keep" AND "at" < CAST('2026-03-15 12:00:00.000001' AS TIMESTAMP)
  GROUP BY
    "customer_id"
), "_base" AS (
  SELECT
    "customers"."customer_id",
    "customers"."email" AS "f_email",
    "customers"."consent_email" AS "f_consent_email",
    "customers"."consent_email_basis" AS "f_consent_email_basis",
    "_by_customer_buying"."max_buys_2" AS "max_buys_2",
    COALESCE("_by_customer_buying"."sum_buys_4", 0) AS "sum_buys_4",
    COALESCE("_by_customer_buying"."count_buys_5", 0) AS "count_buys_5"
  FROM "customers"
  LEFT JOIN "_by_customer_buying"
    ON "customers"."customer_id" = "_by_customer_buying"."customer_id"
), "_step_1" AS MATERIALIZED (
  SELECT
    "customer_id",
    "f_email",
    "f_consent_email",
    "f_consent_email_basis",
    "max_buys_2",
    COALESCE(TRUE AND NOT "f_email" IS NULL, FALSE) AS "reachable_email",
    CASE WHEN "count_buys_5" > 0 THEN "sum_buys_4" END AS "value_6"
  FROM "_base"
), "_edges_of_rank_1" AS (
  SELECT
    LIST_EXTRACT("cuts", 1) AS "rank_1_5",
    LIST_EXTRACT("cuts", 2) AS "rank_1_4",
    LIST_EXTRACT("cuts", 3) AS "rank_1_3",
    LIST_EXTRACT("cuts", 4) AS "rank_1_2"
  FROM (
    SELECT
      QUANTILE_DISC("max_buys_2", [0.2, 0.4, 0.6, 0.8] ORDER BY "max_buys_2" DESC) AS "cuts"
    FROM "_step_1"
    WHERE
      NOT "max_buys_2" IS NULL
  ) AS "found"
), "_edges_of_top_3" AS (
  SELECT
    LIST_EXTRACT("cuts", 1) AS "top_3_edge"
  FROM (
    SELECT
      QUANTILE_DISC("value_6", [0.1] ORDER BY "value_6" DESC) AS "cuts"
    FROM "_step_1"
    WHERE
      NOT "value_6" IS NULL
  ) AS "found"
), "_step_2" AS (
  SELECT
    "customer_id",
    "f_email",
    "f_consent_email",
    "f_consent_email_basis",
    "reachable_email",
    CASE
      WHEN "max_buys_2" >= "rank_1_5"
      THEN 5
      WHEN "max_buys_2" >= "rank_1_4"
      THEN 4
      WHEN "max_buys_2" >= "rank_1_3"
      THEN 3
      WHEN "max_buys_2" >= "rank_1_2"
      THEN 2
      WHEN NOT "max_buys_2" IS NULL
      THEN 1
    END AS "rank_1",
    COALESCE("value_6" >= "top_3_edge", FALSE) AS "top_3"
  FROM "_step_1"
  CROSS JOIN "_edges_of_rank_1"
  CROSS JOIN "_edges_of_top_3"
), "_step_3" AS (
  SELECT
    "customer_id",
    "f_email",
    "f_consent_email",
    "f_consent_email_basis",
    "reachable_email",
    COALESCE("rank_1" >= 4 AND "top_3", FALSE) AS "segment_champions"
  FROM "_step_2"
)
SELECT
  "customer_id",
  "f_email" AS "email",
  "f_consent_email" AS "consent_email",
  "f_consent_email_basis" AS "basis",
  "reachable_email" AS "reachable_email",
  "segment_champions" AS "segment:champions"
FROM "_step_3"
ORDER BY
  "customer_id"
