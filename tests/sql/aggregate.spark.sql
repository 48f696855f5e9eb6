SELECT
  t1.`subject_id`,
  t1.`session`,
  t1.`day`,
  COALESCE(t2.`_1`, 0) AS `n`,
  CAST(t2.`_2` AS DOUBLE) / NULLIF(CAST(COALESCE(t2.`_1`, 0) AS DOUBLE), 0) AS `share`
FROM `lab`.`session` AS t1
LEFT JOIN (
  SELECT
    t3.`subject_id`,
    t3.`session`,
    COUNT(*) AS `_1`,
    CAST(SUM(CAST(t3.`correct` AS INT)) AS BIGINT) AS `_2`
  FROM `lab`.`_trial` AS t3
  GROUP BY
    t3.`subject_id`,
    t3.`session`
) AS t2
  ON t1.`subject_id` = t2.`subject_id` AND t1.`session` = t2.`session`
