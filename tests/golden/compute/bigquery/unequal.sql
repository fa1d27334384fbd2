WITH `_by_customer_customer_lists` AS (
  SELECT
    `customer_id`,
    COUNT(*) AS `has_interests_1`
  FROM `customer_lists`
  WHERE
    `list` = 'interests'
    AND LOWER(TRANSLATE(`value`, 'İΣ', 'iσ')) IN ('yoga', 'trail')
  GROUP BY
    `customer_id`
), `_base` AS (
  SELECT
    `customers`.`customer_id`,
    `customers`.`email` AS `f_email`,
    `customers`.`consent_email` AS `f_consent_email`,
    `customers`.`consent_email_basis` AS `f_consent_email_basis`,
    `customers`.`city` AS `f_city`,
    `customers`.`points` AS `f_points`,
    COALESCE(`_by_customer_customer_lists`.`has_interests_1`, 0) AS `has_interests_1`
  FROM `customers`
  LEFT JOIN `_by_customer_customer_lists`
    ON `customers`.`customer_id` = `_by_customer_customer_lists`.`customer_id`
), `_step_1` AS (
  SELECT
    `customer_id`,
    `f_email`,
    `f_consent_email`,
    `f_consent_email_basis`,
    COALESCE(TRUE AND NOT `f_email` IS NULL, FALSE) AS `reachable_email`,
    COALESCE(
      NOT (
        COALESCE(LOWER(TRANSLATE(`f_city`, 'İΣ', 'iσ')) = 'paris', FALSE)
      )
      AND NOT (
        COALESCE(`f_points` > 3 OR `has_interests_1` > 0, FALSE)
      )
      AND LEFT(TO_HEX(MD5(CONCAT('x', ':', `customer_id`))), 8) < '1999999a',
      FALSE
    ) AS `segment_unequal`
  FROM `_base`
)
SELECT
  `customer_id`,
  `f_email` AS `email`,
  `f_consent_email` AS `consent_email`,
  `f_consent_email_basis` AS `basis`,
  `reachable_email` AS `reachable_email`,
  `segment_unequal` AS `segment:unequal`
FROM `_step_1`
ORDER BY
  `customer_id`
