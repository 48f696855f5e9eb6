SELECT DISTINCT
  t1.`method`,
  t1.`day`
FROM `lab`.`session` AS t1
WHERE
  t1.`x` > 0 AND NOT t1.`method` IS NULL
