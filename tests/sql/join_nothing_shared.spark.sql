SELECT
  t1.`method`,
  t2.`limit_x`
FROM `lab`.`#method` AS t1
CROSS JOIN `lab`.`#limits` AS t2
