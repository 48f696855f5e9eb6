SELECT
  t1.`first`,
  t1.`second`,
  t1.`big`,
  t2.`name` AS `first_name`,
  t3.`name` AS `second_name`
FROM `lab`.`pair` AS t1
JOIN `lab`.`subject` AS t2
  ON t1.`first` = t2.`subject_id`
JOIN `lab`.`subject` AS t3
  ON t1.`second` = t3.`subject_id`
