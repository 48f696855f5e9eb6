SELECT
  t1.`subject_id`,
  t1.`name`,
  t1.`sex`,
  t1.`weight`
FROM `lab`.`subject` AS t1
WHERE
  t1.`name` LIKE 'a\\%b%' OR t1.`name` ILIKE '_b' OR NOT (
    t1.`name` RLIKE '^[a-c]'
  )
