SELECT
  t1.`subject_id`,
  t1.`session`,
  t1.`method`,
  t1.`day`,
  t1.`x`
FROM `lab`.`session` AS t1
WHERE
  t1.`method` IS NULL
  AND EXISTS(
    SELECT
      1
    FROM (VALUES (CAST(2 AS SMALLINT))) AS t2(`session`)
    WHERE
      t2.`session` = t1.`session`
  )
  OR EXISTS(
    SELECT
      1
    FROM (VALUES (CAST('a' AS STRING), CAST(1 AS SMALLINT)), ('O\'N "\\', 3)) AS t3(`method`, `session`)
    WHERE
      t3.`method` = t1.`method` AND t3.`session` = t1.`session`
  )
