SELECT
  t1.`subject_id`,
  t1.`session`,
  t1.`method`,
  t1.`day`,
  t1.`x`
FROM `lab`.`session` AS t1
WHERE
  (
    t1.`x` > 1.5 AND t1.`day` >= CAST('2024-01-01' AS DATE) OR t1.`method` IS NULL
  )
  AND t1.`session` < 5
