SELECT
  t1.`subject_id`,
  t1.`session`,
  t1.`method`,
  t1.`day`,
  t1.`x`,
  t3.`name`,
  t3.`heavy`
FROM `lab`.`session` AS t1
LEFT JOIN (
  SELECT
    t2.`subject_id`,
    t2.`name`,
    t2.`weight` > 2 AS `heavy`
  FROM `lab`.`subject` AS t2
) AS t3
  ON t1.`subject_id` = t3.`subject_id`
WHERE
  t1.`x` > 0
