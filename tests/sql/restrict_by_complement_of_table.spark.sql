SELECT
  t1.`subject_id`,
  t1.`session`,
  t1.`method`,
  t1.`day`,
  t1.`x`
FROM `lab`.`session` AS t1
WHERE
  NOT EXISTS(
    SELECT
      1
    FROM `lab`.`#method` AS t2
    WHERE
      t2.`method` = t1.`method`
  )
