SELECT
  COALESCE(t2.`_1`, 0) AS `n`
FROM `lab`.`#limits` AS t1
CROSS JOIN (
  SELECT
    COUNT(*) AS `_1`
  FROM `lab`.`session` AS t3
) AS t2
