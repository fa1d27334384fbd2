WITH `_by_customer_buying` AS (
  SELECT
    `customer_id`,
    SUM(`n`) AS `sum_buys_1`
  FROM `buying`
  WHERE
    `keep`
    AND `at` >= CAST('2025-09-14 22:00:00.000000' AS TIMESTAMP_NTZ)
    AND `at` < CAST('2026-03-15 12:00:00.000001' AS TIMESTAMP_NTZ)
  GROUP BY
    `customer_id`
), `_base` AS (
  SELECT
    `customers`.`customer_id`,
    `customers`.`email` AS `f_email`,
    `customers`.`consent_email` AS `f_consent_email`,
    `customers`.`consent_email_basis` AS `f_consent_email_basis`,
    COALESCE(`_by_customer_buying`.`sum_buys_1`, 0) AS `sum_buys_1`
  FROM `customers`
  LEFT JOIN `_by_customer_buying`
    ON `customers`.`customer_id` = `_by_customer_buying`.`customer_id`
), `_step_1` AS (
  SELECT
    `customer_id`,
    `f_email`,
    `f_consent_email`,
    `f_consent_email_basis`,
    COALESCE(TRUE AND NOT `f_email` IS NULL, FALSE) AS `reachable_email`,
    COALESCE(`sum_buys_1` >= 6, FALSE) AS `segment_loyal`
  FROM `_base`
)
SELECT
  `customer_id`,
  `f_email` AS `email`,
  `f_consent_email` AS `consent_email`,
  `f_consent_email_basis` AS `basis`,
  `reachable_email` AS `reachable_email`,
  `segment_loyal` AS `segment:loyal`
FROM `_step_1`
ORDER BY
  `customer_id`
