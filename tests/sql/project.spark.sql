SELECT
  t1.`subject_id` AS `who`,
  t1.`session`,
  t1.`day`,
  t1.`session` AS `copy`,
  t1.`x` * 2 AS `y`
FROM `lab`.`session` AS t1
