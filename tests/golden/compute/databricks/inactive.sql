WITH `_by_customer_buying` AS (
  SELECT
    `customer_id`,
    COUNT(*) AS `count_buys_1`,
    COUNT(CASE WHEN `at` >= CAST('2025-09-14 22:00:00.000000' AS TIMESTAMP_NTZ) THEN 1 END) AS `count_buys_2`
  FROM `buying`
  WHERE
    `keep` AND `at` < CAST('2026-03-15 12:00:00.000001' AS TIMESTAMP_NTZ)
  GROUP BY
    `customer_id`
), `_base` AS (
  SELECT
    `customers`.`customer_id`,
    `customers`.`email` AS `f_email`,
    `customers`.`consent_email` AS `f_consent_email`,
    `customers`.`consent_email_basis` AS `f_consent_email_basis`,
    COALESCE(`_by_customer_buying`.`count_buys_1`, 0) AS `count_buys_1`,
    COALESCE(`_by_customer_buying`.`count_buys_2`, 0) AS `count_buys_2`
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
    COALESCE(`count_buys_1` > 0 AND NOT (
      COALESCE(`count_buys_2` > 0, FALSE)
    ), FALSE) AS `segment_inactive`
  FROM `_base`
)
SELECT
  `customer_id`,
  `f_email` AS `email`,
  `f_consent_email` AS `consent_email`,
  `f_consent_email_basis` AS `basis`,
  `reachable_email` AS `reachable_email`,
  `segment_inactive` AS `segment:inactive`
FROM `_step_1`
ORDER BY
  `customer_id`
