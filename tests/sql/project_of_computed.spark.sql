SELECT
  t3.`subject_id`,
  t3.`session`,
  t3.`z`
FROM (
  SELECT
    t2.`subject_id`,
    t2.`session`,
    t2.`y` * t2.`y` AS `z`
  FROM (
    SELECT
      t1.`subject_id`,
      t1.`session`,
      t1.`x` + 1 AS `y`
    FROM `lab`.`session` AS t1
  ) AS t2
) AS t3
WHERE
  t3.`z` > 4
