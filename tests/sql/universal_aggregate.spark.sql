SELECT
  t1.`method`,
  COUNT(*) AS `n`
FROM `lab`.`session` AS t1
WHERE
  t1.`x` > 0 AND NOT t1.`method` IS NULL
GROUP BY
  t1.`method`
