SELECT
  t2.`subject_id`,
  t2.`session`,
  t2.`trial`,
  t1.`method`,
  t2.`correct`,
  t2.`rt`,
  t2.`moment`
FROM `lab`.`#method` AS t1
CROSS JOIN `lab`.`_trial` AS t2
JOIN `lab`.`session` AS t3
  ON t2.`subject_id` = t3.`subject_id` AND t2.`session` = t3.`session`
WHERE
  t1.`method` = t3.`method`
