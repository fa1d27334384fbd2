WITH "_most_frequent_buys_1_groups" AS (
  SELECT
    "customer_id",
    lowerUTF8(replaceAll(replaceAll("word", 'İ', 'i'), 'Σ', 'σ')) AS "key",
    MIN("word") AS "value",
    toInt64(COUNT(*)) AS "number",
    MAX("at") AS "time"
  FROM "buying"
  WHERE
    "keep"
    AND NOT (
      "word" IS NULL
    )
    AND "at" >= toDateTime64('2025-03-14 23:00:00.000000', 6, 'UTC')
    AND "at" < toDateTime64('2026-03-15 12:00:00.000001', 6, 'UTC')
  GROUP BY
    "customer_id",
    lowerUTF8(replaceAll(replaceAll("word", 'İ', 'i'), 'Σ', 'σ'))
), "_by_most_frequent_buys_1" AS (
  SELECT
    "customer_id",
    argMin("value", tuple(negate("number"), negate(toUnixTimestamp64Micro("time")), "key")) AS "most_frequent_buys_1"
  FROM "_most_frequent_buys_1_groups"
  GROUP BY
    "customer_id"
), "_base" AS (
  SELECT
    "customers"."customer_id" AS "customer_id",
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
    toBool(COALESCE(TRUE AND NOT (
      "f_email" IS NULL
    ), FALSE)) AS "reachable_email",
    toBool(
      COALESCE(
        lowerUTF8(replaceAll(replaceAll("most_frequent_buys_1", 'İ', 'i'), 'Σ', 'σ')) = 'shoes',
        FALSE
      )
    ) AS "segment_favourite"
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
