SELECT
  t1.`subject_id`,
  t1.`session`,
  t2.`_1` AS `n`
FROM `lab`.`session` AS t1
JOIN (
  SELECT
    t3.`subject_id`,
    t3.`session`,
    COUNT(*) AS `_1`
  FROM `lab`.`_trial` AS t3
  GROUP BY
    t3.`subject_id`,
    t3.`session`
) AS t2
  ON t1.`subject_id` = t2.`subject_id` AND t1.`session` = t2.`session`
