SELECT
  t1.`subject_id`,
  t1.`session`,
  t1.`trial`,
  t1.`correct`,
  t1.`rt`,
  t1.`moment`,
  t3.`method`,
  t3.`day`,
  t3.`x`
FROM `lab`.`_trial` AS t1
LEFT JOIN (
  SELECT
    t2.`subject_id`,
    t2.`session`,
    t2.`method`,
    t2.`day`,
    t2.`x`
  FROM `lab`.`session` AS t2
  WHERE
    t2.`x` > 0
) AS t3
  ON t1.`subject_id` = t3.`subject_id` AND t1.`session` = t3.`session`
WHERE
  t3.`x` IS NULL
