SELECT
  COUNT(*) AS `n`
FROM `lab`.`session` AS t1
HAVING
  COUNT(*) > 0
