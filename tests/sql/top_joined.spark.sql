SELECT
  t2.`subject_id`,
  t3.`session`,
  t2.`name`,
  t2.`sex`,
  t2.`weight`,
  t3.`method`,
  t3.`day`,
  t3.`x`
FROM (
  SELECT
    t1.`subject_id`,
    t1.`name`,
    t1.`sex`,
    t1.`weight`
  FROM `lab`.`subject` AS t1
  ORDER BY
    t1.`name` ASC NULLS LAST,
    t1.`subject_id` ASC NULLS LAST
  LIMIT 2
) AS t2
JOIN `lab`.`session` AS t3
  ON t2.`subject_id` = t3.`subject_id`
