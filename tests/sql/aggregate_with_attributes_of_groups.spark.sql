SELECT
  t1.`subject_id`,
  t2.`_1` AS `heavy`,
  CAST(COALESCE(t2.`_2`, 0) AS DOUBLE) / NULLIF(CAST(t1.`weight` AS DOUBLE), 0) AS `per`
FROM `lab`.`subject` AS t1
LEFT JOIN (
  SELECT
    t3.`subject_id`,
    SUM(t3.`x` * t4.`weight`) AS `_1`,
    COUNT(*) AS `_2`
  FROM `lab`.`session` AS t3
  JOIN `lab`.`subject` AS t4
    ON t3.`subject_id` = t4.`subject_id`
  GROUP BY
    t3.`subject_id`
) AS t2
  ON t1.`subject_id` = t2.`subject_id`
