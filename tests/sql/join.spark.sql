SELECT
  t1.`subject_id`,
  t1.`session`,
  t3.`trial`,
  t1.`method`,
  t1.`day`,
  t1.`x`,
  t2.`name`,
  t2.`sex`,
  t2.`weight`,
  t3.`correct`,
  t3.`rt`,
  t3.`moment`
FROM `lab`.`session` AS t1
JOIN `lab`.`subject` AS t2
  ON t1.`subject_id` = t2.`subject_id`
JOIN `lab`.`_trial` AS t3
  ON t1.`subject_id` = t3.`subject_id` AND t1.`session` = t3.`session`
WHERE
  t3.`rt` > CAST('0.1' AS FLOAT)
