SELECT
  t1.`subject_id`,
  t1.`session`,
  t1.`method`,
  t1.`day`,
  t1.`x`
FROM `lab`.`session` AS t1
WHERE
  NOT (
    t1.`x` > 1 OR t1.`session` = 2
  )
  AND (
    (
      -(
        t1.`x` - (
          CAST(t1.`session` AS BIGINT) - 1
        )
      )
    ) * 2
  ) < (
    (
      t1.`x` + 1
    ) / CAST(2 AS DOUBLE)
  )
