WITH "_base" AS (
  SELECT
    "customers"."customer_id",
    "customers"."email" AS "f_email",
    "customers"."consent_email" AS "f_consent_email",
    "customers"."consent_email_basis" AS "f_consent_email_basis",
    "customers"."birth_date" AS "f_birth_date"
  FROM "customers"
), "_step_1" AS (
  SELECT
    "customer_id",
    "f_email",
    "f_consent_email",
    "f_consent_email_basis",
    COALESCE(TRUE AND NOT "f_email" IS NULL, FALSE) AS "reachable_email",
    COALESCE((
      MONTH("f_birth_date") * 100 + DAY("f_birth_date")
    ) BETWEEN 315 AND 321, FALSE) AS "segment_birthday"
  FROM "_base"
)
SELECT
  "customer_id",
  "f_email" AS "email",
  "f_consent_email" AS "consent_email",
  "f_consent_email_basis" AS "basis",
  "reachable_email" AS "reachable_email",
  "segment_birthday" AS "segment:birthday"
FROM "_step_1"
ORDER BY
  "customer_id"
