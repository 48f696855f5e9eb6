SELECT
  t1.`subject_id`,
  t1.`session`,
  t1.`method`,
  t1.`day`,
  t1.`x`
FROM `lab`.`session` AS t1
WHERE
  t1.`subject_id` = 3 AND t1.`method` IS NULL AND t1.`day` = CAST('2024-02-29' AS DATE)
