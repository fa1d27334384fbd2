WITH `_then_buys_1_rows` AS (
  SELECT
    `customer_id`,
    `ref` AS `key`,
    `at` AS `at`,
    1 AS `is_a`,
    0 AS `is_b`
  FROM `looking`
  WHERE
    `at` >= CAST('2026-03-07 23:00:00.000000' AS TIMESTAMP_NTZ)
    AND `at` < CAST('2026-03-15 12:00:00.000001' AS TIMESTAMP_NTZ)
    AND NOT `ref` IS NULL
  UNION ALL
  SELECT
    `customer_id`,
    `ref` AS `key`,
    `at` AS `at`,
    0 AS `is_a`,
    1 AS `is_b`
  FROM `buying`
  WHERE
    `keep`
    AND `at` >= CAST('2026-03-07 23:00:00.000000' AS TIMESTAMP_NTZ)
    AND `at` < CAST('2026-03-15 12:00:00.000001' AS TIMESTAMP_NTZ)
    AND NOT `ref` IS NULL
), `_then_buys_1_pairs` AS (
  SELECT
    `customer_id`,
    MAX(CASE WHEN `is_a` = 1 THEN `at` END) AS `started_at`,
    MAX(CASE WHEN `is_b` = 1 THEN `at` END) AS `answered_at`
  FROM `_then_buys_1_rows`
  GROUP BY
    `customer_id`,
    `key`
), `_by_then_buys_1` AS (
  SELECT
    `customer_id`,
    MAX(
      CASE
        WHEN NOT `started_at` IS NULL
        AND (
          `answered_at` IS NULL OR `answered_at` < `started_at`
        )
        THEN 1
        ELSE 0
      END
    ) AS `then_buys_1`
  FROM `_then_buys_1_pairs`
  GROUP BY
    `customer_id`
), `_base` AS (
  SELECT
    `customers`.`customer_id`,
    `customers`.`email` AS `f_email`,
    `customers`.`consent_email` AS `f_consent_email`,
    `customers`.`consent_email_basis` AS `f_consent_email_basis`,
    COALESCE(`_by_then_buys_1`.`then_buys_1`, 0) AS `then_buys_1`
  FROM `customers`
  LEFT JOIN `_by_then_buys_1`
    ON `customers`.`customer_id` = `_by_then_buys_1`.`customer_id`
), `_step_1` AS (
  SELECT
    `customer_id`,
    `f_email`,
    `f_consent_email`,
    `f_consent_email_basis`,
    COALESCE(TRUE AND NOT `f_email` IS NULL, FALSE) AS `reachable_email`,
    COALESCE(`then_buys_1` = 1, FALSE) AS `segment_viewed_not_bought`
  FROM `_base`
)
SELECT
  `customer_id`,
  `f_email` AS `email`,
  `f_consent_email` AS `consent_email`,
  `f_consent_email_basis` AS `basis`,
  `reachable_email` AS `reachable_email`,
  `segment_viewed_not_bought` AS `segment:viewed_not_bought`
FROM `_step_1`
ORDER BY
  `customer_id`
