SELECT
  1
FROM `lab`.`session` AS t1
LIMIT 1
